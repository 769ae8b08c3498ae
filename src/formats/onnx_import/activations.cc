#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/lowered_model.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

constexpr int64_t kSoftmaxOfOneAxis = 13;  // before, it was over all axes from that one on

bool is_near(float a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

ActivationFunction with(const char* name, const char* option, double value) {
  return {name, Config{{option, value}}};
}

// Those that have nothing else but their name.
std::optional<ActivationFunction> by_name(const std::string& op) {
  static const std::map<std::string, const char*> kNames = {
      {"Relu", "relu"},           {"Mish", "mish"},       {"Sigmoid", "sigmoid"},
      {"HardSwish", "hard_silu"}, {"Tanh", "tanh"},       {"Softplus", "softplus"},
      {"Softsign", "softsign"},   {"Exp", "exponential"},
  };
  const auto found = kNames.find(op);
  return found == kNames.end() ? std::nullopt : std::optional<ActivationFunction>(found->second);
}

std::optional<ActivationFunction> hard_sigmoid(const OnnxNode& node) {
  if (node.number("beta", 0.5f) != 0.5f) return std::nullopt;
  const float slope = node.number("alpha", 0.2f);
  if (is_near(slope, 1.0 / 6)) return "hard_sigmoid";
  if (is_near(slope, 0.2)) return "hard_sigmoid_keras2";
  if (is_near(slope, 0.5)) return "sparse_sigmoid";
  return std::nullopt;
}

std::optional<ActivationFunction> selu(const OnnxNode& node) {
  constexpr double kAlpha = 1.6732632423543772, kGamma = 1.0507009873554805;
  const float alpha = node.number("alpha", kAlpha), gamma = node.number("gamma", kGamma);
  if (!is_near(alpha, kAlpha) || !is_near(gamma, kGamma)) return std::nullopt;
  return "selu";
}

std::optional<ActivationFunction> shrink(const OnnxNode& node) {
  const float bias = node.number("bias", 0), limit = node.number("lambd", 0.5f);
  if (bias == 0) return with("hard_shrink", "threshold", limit);
  if (bias == limit) return with("soft_shrink", "threshold", limit);
  return std::nullopt;
}

// Clip as the functions that have names of their own.
std::optional<ActivationFunction> named_clip(const Importer& in, const OnnxNode& node) {
  const std::optional<float> least = in.number(node, 1), most = in.number(node, 2);
  if (least == 0.0f && most == 6.0f) return "relu6";
  if (least == -1.0f && most == 1.0f) return "hard_tanh";
  return std::nullopt;
}

}  // namespace

std::optional<ActivationFunction> elementwise(const OnnxNode& node) {
  const std::string& op = node.op_type;
  const auto alpha = [&](float otherwise) { return node.number("alpha", otherwise); };
  if (op == "LeakyRelu") return with("leaky_relu", "negative_slope", alpha(0.01f));
  if (op == "ThresholdedRelu") return with("relu", "threshold", alpha(1));
  if (op == "Elu") return with("elu", "alpha", alpha(1));
  if (op == "Celu") return with("celu", "alpha", alpha(1));
  if (op == "HardSigmoid") return hard_sigmoid(node);
  if (op == "Selu") return selu(node);
  if (op == "Shrink") return shrink(node);
  if (op == "Gelu") {
    if (node.text("approximate", "none") != "tanh") return "gelu";
    return ActivationFunction{"gelu", Config{{"approximate", true}}};
  }
  return by_name(op);
}

ActivationFunction absorbed_activation(Importer& in, const OnnxNode& node, size_t rank,
                                       std::string* output) {
  const OnnxNode* last = in.producer(*output);
  const OnnxNode* next = last == nullptr ? nullptr : in.only_reader(*last);
  if (next == nullptr || node.name.empty() || !next->name.starts_with(node.name + "/") ||
      next->outputs.size() != 1) {
    return "linear";
  }
  std::optional<ActivationFunction> f = elementwise(*next);
  if (next->op_type == "Clip") f = named_clip(in, *next);
  if (next->op_type == "Softmax" || next->op_type == "LogSoftmax") {
    // Over the channels, which the layer gives last: the file's axis 1 of images, else its last.
    const auto axes = static_cast<int64_t>(rank) + 1;
    const bool is_old = in.opset() < kSoftmaxOfOneAxis;
    const int64_t given = next->integer("axis", is_old ? 1 : -1);
    const int64_t axis = given < 0 ? given + axes : given;
    const bool is_image = node.op_type.starts_with("Conv");
    if (axis != (is_image ? 1 : axes - 1) || (is_old && axis != axes - 1)) return "linear";
    f = next->op_type == "Softmax" ? "softmax" : "log_softmax";
  }
  if (!f) return "linear";
  in.absorb(*next);
  *output = next->outputs[0];
  return *f;
}

Value activation(Importer& in, const OnnxNode& node) {
  const std::optional<ActivationFunction> f = elementwise(node);
  if (!f) fail(node, "Sluice has it with other constants only");
  const Value& x = in.raw_operand(node, 0);
  Value y = after(x, Activation(*f, {.name = in.layer_name(node)})(*x.tensor));
  y.is_positive = f->name == "relu" || f->name == "sigmoid" || f->name == "exponential" ||
                  f->name == "softplus";
  return y;
}

Value softmax(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const size_t rank = x.dims.size();
  const bool is_old = in.opset() < kSoftmaxOfOneAxis;
  const size_t axis = axis_of(node, node.integer("axis", is_old ? 1 : -1), rank);
  if (is_old && axis + 1 != rank) fail(node, "Sluice has it over one axis");
  const int ours = x.order[axis] + 1, keras = ours == static_cast<int>(rank) ? -1 : ours;
  const std::string name = in.layer_name(node);
  if (node.op_type == "Softmax") {
    return after(x, Softmax({.axis = {keras}, .name = name})(*x.tensor));
  }
  return after(x, Activation({"log_softmax", Config{{"axis", keras}}}, {.name = name})(*x.tensor));
}

Value prelu(Importer& in, const OnnxNode& node) {
  const OnnxTensor& slopes = in.required_constant(node, 1, "the slope");
  const Value x = in.operand(node, 0);
  const size_t rank = x.dims.size();
  Ints dims = slopes.dims;
  while (dims.size() > rank && dims.front() == 1) dims.erase(dims.begin());
  if (dims.size() > rank || slopes.dims.size() > rank + 1 || slopes.is_whole()) {
    fail(node, "the slope has another shape");
  }
  dims.insert(dims.begin(), rank - dims.size(), 1);
  Ints shared;
  Order order(rank);  // of the tensor's axes, as the file's
  for (size_t k = 0; k < rank; ++k) {
    if (dims[k] != 1 && dims[k] != x.dims[k]) fail(node, "the slope has another shape");
    if (dims[k] == 1 && x.dims[k] != 1) shared.push_back(x.order[k] + 1);
    order[static_cast<size_t>(x.order[k])] = static_cast<int>(k);
  }
  std::ranges::sort(shared);
  const std::string name = in.layer_name(node);
  in.set_weight(name + "/alpha", transposed(slopes.floats(), dims, order));
  return after(x, PReLU({.shared_axes = shared, .name = name})(*x.tensor));
}

// squareplus(x) = (x + sqrt(x^2 + b)) / 2
Value sqrt(Importer& in, const OnnxNode& node) {
  const char* why = "Sluice has it in (x + sqrt(x^2 + b)) / 2 and in normalization only";
  const OnnxNode* under = in.producer(node.input(0));
  const OnnxNode* square = under == nullptr ? nullptr : in.producer(under->input(0));
  const OnnxNode* sum = in.only_reader(node);
  const OnnxNode* half = sum == nullptr ? nullptr : in.only_reader(*sum);
  if (square == nullptr || half == nullptr || under->op_type != "Add" || square->op_type != "Mul" ||
      sum->op_type != "Add" || half->op_type != "Mul") {
    fail(node, why);
  }
  const std::string& x = square->input(0);
  const std::optional<float> b = in.number(*under, 1);
  if (x != square->input(1) || !b || *b < 0 || in.number(*half, 1) != 0.5f ||
      sum->inputs != std::vector{x, node.outputs[0]} || in.find(x) == nullptr) {
    fail(node, why);
  }
  for (const OnnxNode* done : {sum, half}) in.absorb(*done);
  const Value& value = *in.find(x);
  Value y = after(value, Activation(with("squareplus", "b", *b),
                                    {.name = in.layer_name(*half)})(*value.tensor));
  in.set_value(half->outputs[0], y);
  return y;
}

// gelu(x) = x (1 + erf(x / sqrt(2))) / 2, whose three products come in any order.
Value erf(Importer& in, const OnnxNode& node) {
  const char* why = "Sluice has it in x (1 + erf(x / sqrt(2))) / 2 only";
  const OnnxNode* scale = in.producer(node.input(0));
  const OnnxNode* sum = in.only_reader(node);
  if (scale == nullptr || sum == nullptr || sum->op_type != "Add") fail(node, why);
  const bool is_division = scale->op_type == "Div";
  if (!is_division && scale->op_type != "Mul") fail(node, why);
  const auto number = [&](const OnnxNode& of) {
    const std::optional<float> first = in.number(of, 0);
    return first ? first : in.number(of, 1);
  };
  const auto other = [&](const OnnxNode& of) -> std::string {
    return of.inputs.size() != 2 ? "" : of.input(in.constant(of, 0) != nullptr ? 1 : 0);
  };
  const std::string x = other(*scale);
  const std::optional<float> factor = number(*scale), one = number(*sum);
  const double wanted = is_division ? std::numbers::sqrt2 : 1 / std::numbers::sqrt2;
  const bool divides = !is_division || in.constant(*scale, 1) != nullptr;
  if (!factor || !divides || !is_near(*factor, wanted) || one != 1.0f || in.find(x) == nullptr) {
    fail(node, why);
  }
  const OnnxNode* first = in.only_reader(*sum);
  if (first == nullptr || first->op_type != "Mul" || first->inputs.size() != 2) fail(node, why);
  const std::string& beside = first->input(first->input(0) == sum->outputs[0] ? 1 : 0);
  const OnnxNode* half = in.only_reader(*first);
  const OnnxNode* last = half;
  if (beside != x) {  // half of x is one of the factors
    half = in.producer(beside);
    last = first;
    if (half == nullptr || other(*half) != x) fail(node, why);
  }
  if (half == nullptr || half->op_type != "Mul" || number(*half) != 0.5f) fail(node, why);
  for (const OnnxNode* done : {sum, first, last}) in.absorb(*done);
  const Value& value = *in.find(x);
  Value y = after(value, Activation("gelu", {.name = in.layer_name(*last)})(*value.tensor));
  in.set_value(last->outputs[0], y);
  return y;
}

}  // namespace sluice::formats::onnx
