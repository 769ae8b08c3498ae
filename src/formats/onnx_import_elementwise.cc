// OnnxImporter: what is computed element by element.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/onnx_importer.h"
#include "sluice/layers.h"

namespace sluice::formats {
namespace {

bool is_near(float a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); }

}  // namespace

// The function of an operator that is one by itself.
std::optional<ActivationFunction> OnnxImporter::elementwise(const OnnxNode& node) const {
  const std::string& op = node.op_type;
  const auto alpha = [&](float otherwise) {
    return static_cast<double>(node.number("alpha", otherwise));
  };
  if (op == "Relu") return "relu";
  if (op == "LeakyRelu") {
    return ActivationFunction{"leaky_relu", Config{{"negative_slope", alpha(0.01f)}}};
  }
  if (op == "ThresholdedRelu") {
    return ActivationFunction{"relu", Config{{"threshold", alpha(1)}}};
  }
  if (op == "Elu") return ActivationFunction{"elu", Config{{"alpha", alpha(1)}}};
  if (op == "Celu") return ActivationFunction{"celu", Config{{"alpha", alpha(1)}}};
  if (op == "Selu") return "selu";
  if (op == "Mish") return "mish";
  if (op == "Sigmoid") return "sigmoid";
  if (op == "HardSwish") return "hard_silu";
  if (op == "Tanh") return "tanh";
  if (op == "Softplus") return "softplus";
  if (op == "Softsign") return "softsign";
  if (op == "Exp") return "exponential";
  if (op == "Gelu") {
    if (node.text("approximate", "none") != "tanh") return "gelu";
    return ActivationFunction{"gelu", Config{{"approximate", true}}};
  }
  if (op == "HardSigmoid" && node.number("beta", 0.5f) == 0.5f) {
    const float slope = node.number("alpha", 0.2f);
    if (is_near(slope, 1.0 / 6)) return "hard_sigmoid";
    if (is_near(slope, 0.2)) return "hard_sigmoid_keras2";
    if (is_near(slope, 0.5)) return "sparse_sigmoid";
  }
  if (op == "Shrink") {
    const float bias = node.number("bias", 0), limit = node.number("lambd", 0.5f);
    const Config threshold{{"threshold", static_cast<double>(limit)}};
    if (bias == 0) return ActivationFunction{"hard_shrink", threshold};
    if (bias == limit) return ActivationFunction{"soft_shrink", threshold};
  }
  return std::nullopt;
}

SymbolicTensor OnnxImporter::add_activation(const OnnxNode& node, ActivationFunction f,
                                            SymbolicTensor x) {
  return Activation(std::move(f), {.name = layer_name(node)})(x);
}

OnnxImporter::Value OnnxImporter::activation(const OnnxNode& node) {
  const std::optional<ActivationFunction> f = elementwise(node);
  if (!f) fail(node, "Sluice has it with other constants only");
  const Value& x = raw_operand(node, 0);
  Value y = after(x, add_activation(node, *f, *x.tensor));
  y.is_positive = f->name == "relu" || f->name == "sigmoid" || f->name == "exponential" ||
                  f->name == "softplus";
  return y;
}

OnnxImporter::Value OnnxImporter::softmax(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const auto rank = static_cast<int64_t>(x.dims.size());
  constexpr int64_t kSinceLast = 13;  // before, it was over all axes from that one on
  const bool is_old = file_.opset < kSinceLast;
  int64_t axis = node.integer("axis", is_old ? 1 : -1);
  if (axis < 0) axis += rank + 1;
  if (axis < 1 || axis > rank || (is_old && axis != rank)) {
    fail(node, "Sluice has it over one axis, which is not the batch");
  }
  const int64_t ours = x.order[static_cast<size_t>(axis - 1)] + 1;
  const std::string name = layer_name(node);
  if (node.op_type == "Softmax") {
    return after(x, Softmax({.axis = {ours == rank ? -1 : ours}, .name = name})(*x.tensor));
  }
  return after(x, Activation({"log_softmax", Config{{"axis", ours == rank ? -1 : ours}}},
                             {.name = name})(*x.tensor));
}

OnnxImporter::Value OnnxImporter::prelu(const OnnxNode& node) {
  const OnnxTensor& slopes = required_constant(node, 1, "the slope");
  const Value x = operand(node, 0);
  const size_t rank = x.dims.size();
  Ints dims = slopes.dims;
  while (dims.size() > rank && dims.front() == 1) dims.erase(dims.begin());
  if (dims.size() > rank || slopes.is_whole()) fail(node, "the slope has another shape");
  dims.insert(dims.begin(), rank - dims.size(), 1);
  std::vector<int64_t> shared, ours(rank);
  for (size_t k = 0; k < rank; ++k) {
    if (dims[k] != 1 && dims[k] != x.dims[k]) fail(node, "the slope has another shape");
    ours[static_cast<size_t>(x.order[k])] = dims[k];
    if (dims[k] == 1 && x.dims[k] != 1) shared.push_back(x.order[k] + 1);
  }
  std::ranges::sort(shared);
  Order order(rank);  // of the tensor's axes, as the file's
  for (size_t k = 0; k < rank; ++k) order[static_cast<size_t>(x.order[k])] = static_cast<int>(k);
  const std::string name = layer_name(node);
  set_weight(name + "/alpha", reordered(slopes.floats(), dims, order));
  return after(x, PReLU({.shared_axes = shared, .name = name})(*x.tensor));
}

// gelu(x) = x (1 + erf(x / sqrt(2))) / 2, whose three products come in any order.
OnnxImporter::Value OnnxImporter::erf(const OnnxNode& node) {
  const char* why = "Sluice has it in x (1 + erf(x / sqrt(2))) / 2 only";
  const OnnxNode* scale = producer(node.inputs.empty() ? "" : node.input(0));
  const OnnxNode* sum = only_reader(node);
  if (scale == nullptr || sum == nullptr || sum->op_type != "Add") fail(node, why);
  const bool is_division = scale->op_type == "Div";
  if (!is_division && scale->op_type != "Mul") fail(node, why);
  const auto number = [&](const OnnxNode& of) -> std::optional<float> {
    for (size_t k = 0; k < 2; ++k) {
      const OnnxTensor* c = constant(of, k);
      if (c != nullptr && c->size() == 1 && !c->is_whole()) return c->floats().front();
    }
    return std::nullopt;
  };
  const auto other = [&](const OnnxNode& of) -> std::string {
    return of.inputs.size() != 2 ? "" : of.input(constant(of, 0) != nullptr ? 1 : 0);
  };
  const std::string x = other(*scale);
  const std::optional<float> factor = number(*scale), one = number(*sum);
  const double wanted = is_division ? std::numbers::sqrt2 : 1 / std::numbers::sqrt2;
  if (!factor || !is_near(*factor, wanted) || !one || *one != 1 || !values_.contains(x)) {
    fail(node, why);
  }
  const OnnxNode* first = only_reader(*sum);
  const OnnxNode* second = first == nullptr ? nullptr : only_reader(*first);
  if (first == nullptr || first->op_type != "Mul" || first->inputs.size() != 2) fail(node, why);
  const std::string& beside = first->input(first->input(0) == sum->outputs[0] ? 1 : 0);
  const OnnxNode* half = second;
  const OnnxNode* last = second;
  if (beside != x) {  // half of x is one of the factors
    half = producer(beside);
    last = first;
    if (half == nullptr || other(*half) != x) fail(node, why);
  }
  const std::optional<float> a_half = half == nullptr ? std::nullopt : number(*half);
  if (!a_half || half->op_type != "Mul" || *a_half != 0.5f) fail(node, why);
  for (const OnnxNode* done : {sum, first, last}) absorb(*done);
  const Value& value = values_.at(x);
  Value y = after(value, add_activation(*last, "gelu", *value.tensor));
  values_[last->outputs[0]] = y;
  return y;
}

OnnxImporter::Value OnnxImporter::clipped(const Value& x, const OnnxNode& node, float least,
                                          float most) {
  const bool has_least = least > -1e30f, has_most = most < 1e30f;
  const std::string name = layer_name(node);
  if (!(least <= most)) fail(node, "its bounds are not in order");
  if (!has_least && !has_most) return x;
  const auto relu = [&](const SymbolicTensor& t, std::optional<double> maximum) {
    return ReLU({.max_value = maximum, .name = name})(t);
  };
  const auto rescaled = [&](const SymbolicTensor& t, double scale, double offset,
                            const char* what) {
    return Rescaling({.scale = scale, .offset = offset, .name = layer_name(name + what)})(t);
  };
  const SymbolicTensor& t = *x.tensor;
  Value y;
  if (has_least && least == 0) {
    if (!has_most) {
      y = after(x, Activation("relu", {.name = name})(t));
    } else if (most == 6) {
      y = after(x, Activation("relu6", {.name = name})(t));
    } else {
      y = after(x, relu(t, most));
    }
  } else if (least == -1 && most == 1) {
    y = after(x, Activation("hard_tanh", {.name = name})(t));
  } else if (has_least) {
    const double room = static_cast<double>(most) - least;
    const auto maximum = has_most ? std::optional<double>(room) : std::nullopt;
    y = after(x, rescaled(relu(rescaled(t, 1, -least, "_in"), maximum), 1, least, "_out"));
  } else {
    y = after(x, rescaled(relu(rescaled(t, -1, most, "_in"), std::nullopt), -1, most, "_out"));
  }
  y.is_positive = has_least && least >= 0;
  return y;
}

OnnxImporter::Value OnnxImporter::clip(const OnnxNode& node) {
  constexpr float kNone = std::numeric_limits<float>::infinity();
  const float least = scalar_or(node, 1, "min", -kNone), most = scalar_or(node, 2, "max", kNone);
  return clipped(raw_operand(node, 0), node, least, most);
}

OnnxImporter::Value OnnxImporter::negative(const OnnxNode& node) {
  const Value& x = raw_operand(node, 0);
  return after(x, Rescaling({.scale = -1, .name = layer_name(node)})(*x.tensor));
}

// x with a constant: x + c, x - c, x c, x / c, and c - x as 'r'.
OnnxImporter::Value OnnxImporter::scaled(Value x, const OnnxNode& node, const OnnxTensor& c,
                                         char operation) {
  std::vector<float> values;
  if (c.is_whole()) {
    values.assign(c.ints().begin(), c.ints().end());
  } else {
    values = c.floats();
  }
  Ints dims = c.dims;
  while (!dims.empty() && dims.front() == 1) dims.erase(dims.begin());
  if (dims.size() > x.dims.size()) fail(node, "the constant has another shape");
  std::optional<size_t> axis;  // along which the constant differs
  for (size_t k = 0; k < dims.size(); ++k) {
    const size_t at = x.dims.size() - dims.size() + k;
    if (dims[k] == 1) continue;
    if (dims[k] != x.dims[at] || axis) fail(node, "the constant differs along several axes");
    axis = at;
  }
  if (values.empty()) fail(node, "the constant is empty");
  if (axis) x = with_last(std::move(x), *axis, node);
  const size_t count = values.size();
  std::vector<double> scale(count, operation == 'r' ? -1.0 : 1.0), offset(count, 0.0);
  for (size_t i = 0; i < count; ++i) {
    const double value = values[i];
    if (operation == '*') scale[i] = value;
    if (operation == '/') scale[i] = 1 / value;
    if (operation == '+' || operation == 'r') offset[i] = value;
    if (operation == '-') offset[i] = -value;
    if (!std::isfinite(scale[i]) || !std::isfinite(offset[i])) {
      fail(node, "the constant is not finite, or divides by 0");
    }
  }
  return after(x,
               Rescaling({.scale = scale, .offset = offset, .name = layer_name(node)})(*x.tensor));
}

// x sigmoid(x) and its kin.
std::optional<OnnxImporter::Value> OnnxImporter::self_gated(const OnnxNode& node) {
  for (size_t k = 0; k < 2; ++k) {
    const std::string& x = node.input(k);
    const OnnxNode* gate = producer(node.input(1 - k));
    if (gate == nullptr || !values_.contains(x)) continue;
    std::optional<std::string> name;
    const auto is_of_x = [&](const OnnxNode* of) {
      return !of->inputs.empty() && of->input(0) == x;
    };
    if (gate->op_type == "Sigmoid" && is_of_x(gate)) name = "silu";
    if (gate->op_type == "HardSigmoid" && is_of_x(gate) &&
        is_near(gate->number("alpha", 0.2f), 1.0 / 6) && gate->number("beta", 0.5f) == 0.5f) {
      name = "hard_silu";
    }
    const OnnxNode* inner =
        gate->op_type != "Tanh" || gate->inputs.empty() ? nullptr : producer(gate->input(0));
    if (inner != nullptr && inner->op_type == "Softplus" && is_of_x(inner)) name = "mish";
    if (!name) continue;
    const Value& value = values_.at(x);
    return after(value, add_activation(node, *name, *value.tensor));
  }
  return std::nullopt;
}

OnnxImporter::Value OnnxImporter::binary(const OnnxNode& node) {
  if (node.inputs.size() != 2) fail(node, "expected two inputs");
  const std::string& op = node.op_type;
  const OnnxTensor *a = constant(node, 0), *b = constant(node, 1);
  if (a == nullptr && b == nullptr) {
    if (op == "Div") return normalized(node);
    if (op == "Mul") {
      if (auto gated = self_gated(node)) return *std::move(gated);
    }
    return merge(node);
  }
  if (a != nullptr && b != nullptr) fail(node, "Sluice does not compute such constants");
  if (a != nullptr && op == "Div") fail(node, "Sluice has no layer that divides by a value");
  const char operation = op == "Add"    ? '+'
                         : op == "Mul"  ? '*'
                         : op == "Div"  ? '/'
                         : a != nullptr ? 'r'
                                        : '-';
  return scaled(operand(node, a != nullptr ? 1 : 0), node, a != nullptr ? *a : *b, operation);
}

// Axes of size 1 in front, as ONNX takes values of fewer axes.
void OnnxImporter::align(Value& value, size_t rank, const OnnxNode& node) {
  if (value.dims.size() >= rank) return;
  const size_t more = rank - value.dims.size();
  Ints sizes(more, 1), ours = value.tensor->shape().dims();
  sizes.insert(sizes.end(), ours.begin(), ours.end());
  value.tensor = Reshape({.target_shape = Shape(sizes), .name = layer_name(node.name + "_axes")})(
      *value.tensor);
  Order order = natural(more);
  for (const int axis : value.order) order.push_back(axis + static_cast<int>(more));
  value.order = order;
  value.dims.insert(value.dims.begin(), more, 1);
}

OnnxImporter::Value OnnxImporter::merge(const OnnxNode& node) {
  std::vector<Value> values;
  bool same_image = true;
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (const OnnxTensor* c = constant(node, k)) {
      const bool is_max = node.op_type == "Max";
      if (c->size() != 1 || c->is_whole() || node.inputs.size() != 2 ||
          (!is_max && node.op_type != "Min")) {
        fail(node, "Sluice has it of values only, not of constants");
      }
      constexpr float kNone = std::numeric_limits<float>::infinity();
      const float bound = c->floats().front();
      return clipped(raw_operand(node, 1 - k), node, is_max ? bound : -kNone,
                     is_max ? kNone : bound);
    }
    values.push_back(raw_operand(node, k));
    same_image &= values.back().image == values.front().image;
  }
  if (values.empty()) fail(node, "it has no inputs");
  size_t rank = 0;
  for (Value& value : values) {
    if (!same_image) value = in_file_order(value, node);
    rank = std::max(rank, value.dims.size());
  }
  for (Value& value : values) align(value, rank, node);
  // In the order of the largest, which is dearest to permute.
  const auto size = [](const Value& value) { return value.tensor->shape().size(); };
  const Value& widest = *std::ranges::max_element(values, {}, size);
  Value y{.dims = Ints(rank, 1), .order = widest.order, .image = widest.image};
  std::vector<SymbolicTensor> tensors;
  for (const Value& value : values) {
    tensors.push_back(arranged(value, y.order, node));
    for (size_t k = 0; k < rank; ++k) y.dims[k] = std::max(y.dims[k], value.dims[k]);
  }
  y.is_positive = node.op_type != "Sub" && std::ranges::all_of(values, &Value::is_positive);
  const MergeOptions options{.name = layer_name(node)};
  if (tensors.size() == 1) {
    y.tensor = tensors.front();
  } else if (node.op_type == "Sub") {
    y.tensor = Subtract(options)(tensors);
  } else if (node.op_type == "Mul") {
    y.tensor = Multiply(options)(tensors);
  } else if (node.op_type == "Mean") {
    y.tensor = Average(options)(tensors);
  } else if (node.op_type == "Max") {
    y.tensor = Maximum(options)(tensors);
  } else if (node.op_type == "Min") {
    y.tensor = Minimum(options)(tensors);
  } else {
    y.tensor = Add(options)(tensors);
  }
  return y;
}

}  // namespace sluice::formats
