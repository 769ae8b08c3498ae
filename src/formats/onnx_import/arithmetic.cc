#include <algorithm>
#include <cmath>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

constexpr float kNone = std::numeric_limits<float>::infinity();

bool is_near(float a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

// The axis along which a constant of this shape differs, as it is added to a value.
std::optional<size_t> axis_of_constant(const OnnxNode& node, Ints dims, const Value& x) {
  if (dims.size() > x.dims.size() + 1) fail(node, "the constant has more axes than the value");
  while (!dims.empty() && dims.front() == 1) dims.erase(dims.begin());
  if (dims.size() > x.dims.size()) fail(node, "the constant has another shape");
  std::optional<size_t> axis;
  for (size_t k = 0; k < dims.size(); ++k) {
    const size_t at = x.dims.size() - dims.size() + k;
    if (dims[k] == 1) continue;
    if (dims[k] != x.dims[at] || axis) fail(node, "the constant differs along several axes");
    axis = at;
  }
  return axis;
}

// x with a constant: x + c, x - c, x c, x / c, and c - x as 'r'.
Value scaled(Importer& in, Value x, const OnnxNode& node, size_t constant_input, char operation) {
  const std::vector<float> values = in.floats(node, constant_input, "the constant");
  if (values.empty()) fail(node, "the constant is empty");
  const OnnxTensor& c = in.required_constant(node, constant_input, "the constant");
  if (const auto axis = axis_of_constant(node, c.dims, x))
    x = with_last(in, std::move(x), *axis, node);
  std::vector<double> scale, offset;
  for (const double value : values) {
    scale.push_back(operation == '*'   ? value
                    : operation == '/' ? 1 / value
                    : operation == 'r' ? -1.0
                                       : 1.0);
    offset.push_back(operation == '+' || operation == 'r' ? value
                     : operation == '-'                   ? -value
                                                          : 0.0);
    if (!std::isfinite(scale.back()) || !std::isfinite(offset.back())) {
      fail(node, "the constant is not finite, or divides by 0");
    }
  }
  return after(
      x, Rescaling({.scale = scale, .offset = offset, .name = in.layer_name(node)})(*x.tensor));
}

// What is multiplied with x by a gate of x itself: "silu" of a Sigmoid.
std::optional<std::string> gate_of(const Importer& in, const OnnxNode& gate, const std::string& x) {
  const auto is_of_x = [&](const OnnxNode& of) { return !of.inputs.empty() && of.input(0) == x; };
  if (gate.op_type == "Sigmoid" && is_of_x(gate)) return "silu";
  if (gate.op_type == "HardSigmoid" && is_of_x(gate) &&
      is_near(gate.number("alpha", 0.2f), 1.0 / 6) && gate.number("beta", 0.5f) == 0.5f) {
    return "hard_silu";
  }
  const OnnxNode* inner = gate.op_type == "Tanh" ? in.producer(gate.input(0)) : nullptr;
  if (inner != nullptr && inner->op_type == "Softplus" && is_of_x(*inner)) return "mish";
  return std::nullopt;
}

std::optional<Value> self_gated(Importer& in, const OnnxNode& node) {
  for (size_t k = 0; k < 2; ++k) {
    const Value* x = in.find(node.input(k));
    const OnnxNode* gate = in.producer(node.input(1 - k));
    if (gate == nullptr || x == nullptr) continue;
    const std::optional<std::string> name = gate_of(in, *gate, node.input(k));
    if (!name) continue;
    return after(*x, Activation(*name, {.name = in.layer_name(node)})(*x->tensor));
  }
  return std::nullopt;
}

// Max or Min with a number.
Value bounded(Importer& in, const OnnxNode& node, size_t constant_input) {
  const std::optional<float> bound = in.number(node, constant_input);
  const bool is_max = node.op_type == "Max";
  if (!bound || node.inputs.size() != 2 || (!is_max && node.op_type != "Min")) {
    fail(node, "Sluice has it of values only, not of constants");
  }
  return clipped(in, in.raw_operand(node, 1 - constant_input), node, is_max ? *bound : -kNone,
                 is_max ? kNone : *bound);
}

SymbolicTensor merged(const std::string& op, const MergeOptions& options,
                      const std::vector<SymbolicTensor>& tensors) {
  if (tensors.size() == 1) return tensors.front();
  if (op == "Sub") return Subtract(options)(tensors);
  if (op == "Mul") return Multiply(options)(tensors);
  if (op == "Mean") return Average(options)(tensors);
  if (op == "Max") return Maximum(options)(tensors);
  if (op == "Min") return Minimum(options)(tensors);
  return Add(options)(tensors);
}

// Of as many axes, and all as rows that were the same image or none of them.
std::vector<Value> alike(Importer& in, const OnnxNode& node) {
  std::vector<Value> values;
  bool same_image = true;
  size_t rank = 0;
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    values.push_back(in.raw_operand(node, k));
    same_image &= values.back().image == values.front().image;
    rank = std::max(rank, values.back().dims.size());
  }
  if (values.empty()) fail(node, "it has no inputs");
  for (Value& value : values) {
    // ONNX puts axes of size 1 in front of the batch, not behind it.
    if (value.dims.size() < rank && in.batch() != 1) fail(node, "its inputs have not as many axes");
    if (!same_image) value = in_file_order(in, value, node);
    value = with_rank(in, value, rank, node);
  }
  return values;
}

}  // namespace

// Where the bounds lie around 0, min(max(x, 0), most) - min(max(-x, 0), -least); else one of them
// is the new 0. So no element is ever added to a bound that is larger than itself, which would
// round it.
Value clipped(Importer& in, const Value& x, const OnnxNode& node, float least, float most) {
  constexpr float kLargest = std::numeric_limits<float>::max();  // or infinite: no bound
  const bool has_least = least > -kLargest, has_most = most < kLargest;
  if (!(least <= most)) fail(node, "its bounds are not in order");
  if (!has_least && !has_most) return x;
  const std::string name = in.layer_name(node);
  const auto part = [&](const char* what) { return in.layer_name(name + what); };
  const auto scaled = [&](const SymbolicTensor& t, double scale, double offset) {
    return Rescaling({.scale = scale, .offset = offset, .name = part("_scaled")})(t);
  };
  const auto relu = [&](const SymbolicTensor& t, std::optional<double> maximum) {
    return ReLU({.max_value = maximum, .name = part("_part")})(t);
  };
  const auto most_or_none = [&](double of) {
    return has_most && has_least ? std::optional<double>(of) : std::nullopt;
  };
  const double low = least, high = most;
  SymbolicTensor y = *x.tensor;
  if (least == 0 && (!has_most || most == 6)) {
    y = Activation(has_most ? "relu6" : "relu", {.name = name})(y);
  } else if (least == 0) {
    y = ReLU({.max_value = high, .name = name})(y);
  } else if (least == -1 && most == 1) {
    y = Activation("hard_tanh", {.name = name})(y);
  } else if (has_least && least > 0) {
    y = scaled(relu(scaled(y, 1, -low), most_or_none(high - low)), 1, low);
  } else if (has_most && most <= 0) {
    y = scaled(relu(scaled(y, -1, high), most_or_none(high - low)), -1, high);
  } else {
    const SymbolicTensor above = relu(y, has_most ? std::optional(high) : std::nullopt);
    const SymbolicTensor below =
        relu(scaled(y, -1, 0), has_least ? std::optional(-low) : std::nullopt);
    y = Subtract({.name = name})({above, below});
  }
  Value value = after(x, y);
  value.is_positive = has_least && least >= 0;
  return value;
}

Value clip(Importer& in, const OnnxNode& node) {
  const float least = in.scalar_or(node, 1, "min", -kNone);
  return clipped(in, in.raw_operand(node, 0), node, least, in.scalar_or(node, 2, "max", kNone));
}

Value negative(Importer& in, const OnnxNode& node) {
  const Value& x = in.raw_operand(node, 0);
  return after(x, Rescaling({.scale = -1, .name = in.layer_name(node)})(*x.tensor));
}

Value identity(Importer& in, const OnnxNode& node) { return in.raw_operand(node, 0); }

Value binary(Importer& in, const OnnxNode& node) {
  if (node.inputs.size() != 2) fail(node, "expected two inputs");
  const std::string& op = node.op_type;
  const bool first = in.constant(node, 0) != nullptr, second = in.constant(node, 1) != nullptr;
  if (!first && !second) {
    if (op == "Div") return normalized(in, node);
    if (op == "Mul") {
      if (auto gated = self_gated(in, node)) return *std::move(gated);
    }
    return merge(in, node);
  }
  if (first && second) fail(node, "Sluice does not compute such constants");
  if (first && op == "Div") fail(node, "Sluice has no layer that divides by a value");
  const char operation = op == "Add"   ? '+'
                         : op == "Mul" ? '*'
                         : op == "Div" ? '/'
                         : first       ? 'r'
                                       : '-';
  return scaled(in, in.operand(node, first ? 1 : 0), node, first ? 0 : 1, operation);
}

Value merge(Importer& in, const OnnxNode& node) {
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (in.constant(node, k) != nullptr) return bounded(in, node, k);
  }
  const std::vector<Value> values = alike(in, node);
  // In the order of the largest, which is dearest to permute.
  const auto size = [](const Value& value) { return value.tensor->shape().size(); };
  const Value& widest = *std::ranges::max_element(values, {}, size);
  Value y{.dims = Ints(widest.dims.size(), 1), .order = widest.order, .image = widest.image};
  std::vector<SymbolicTensor> tensors;
  for (const Value& value : values) {
    tensors.push_back(arranged(in, value, y.order, node));
    for (size_t k = 0; k < y.dims.size(); ++k) y.dims[k] = std::max(y.dims[k], value.dims[k]);
  }
  y.is_positive = node.op_type != "Sub" && std::ranges::all_of(values, &Value::is_positive);
  y.tensor = merged(node.op_type, {.name = in.layer_name(node)}, tensors);
  return y;
}

}  // namespace sluice::formats::onnx
