#include "nn/activations.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "core/alternatives.h"

namespace sluice::nn {
namespace {

using backend::Activation;

struct Row {
  const char* name;
  Activation function;
  std::vector<Parameter> parameters = {};
};

const std::vector<Row>& rows() {
  const Parameter none{"max_value", {}};
  static const std::vector<Row> all = {
      {"linear", Activation::kLinear},
      {"relu", Activation::kRelu, {{"negative_slope", 0.0}, none, {"threshold", 0.0}}},
      {"relu6", Activation::rectifier(0, 0, 6)},
      {"leaky_relu", Activation::rectifier(0.2f), {{"negative_slope", 0.2}}},
      {"elu", Activation::kElu, {{"alpha", 1.0}}},
      {"selu", Activation::kSelu},
      {"celu", Activation::kCelu, {{"alpha", 1.0}}},
      {"gelu", Activation::kGelu, {{"approximate", false}}},
      {"silu", Activation::kSilu},
      {"swish", Activation::kSilu},
      {"mish", Activation::kMish},
      {"sigmoid", Activation::kSigmoid},
      {"hard_sigmoid", Activation::kHardSigmoid},
      {"hard_sigmoid_keras2", {Activation::kHardSigmoid, 0.2f}},
      {"hard_silu", Activation::kHardSilu},
      {"hard_swish", Activation::kHardSilu},
      {"log_sigmoid", Activation::kLogSigmoid},
      {"sparse_sigmoid", Activation::kSparseSigmoid},
      {"tanh", Activation::kTanh},
      {"hard_tanh", Activation::kHardTanh},
      {"tanh_shrink", Activation::kTanhShrink},
      {"hard_shrink", Activation::kHardShrink, {{"threshold", 0.5}}},
      {"soft_shrink", Activation::kSoftShrink, {{"threshold", 0.5}}},
      {"softplus", Activation::kSoftplus},
      {"sparse_plus", Activation::kSparsePlus},
      {"squareplus", Activation::kSquareplus, {{"b", 4.0}}},
      {"softsign", Activation::kSoftsign},
      {"exponential", Activation::kExponential},
      {"softmax", Activation::kSoftmax, {{"axis", int64_t{-1}}}},
      {"log_softmax", Activation::kLogSoftmax, {{"axis", int64_t{-1}}}},
  };
  return all;
}

const Row* find_row(const std::string& name) {
  const auto found =
      std::find_if(rows().begin(), rows().end(), [&](const Row& row) { return name == row.name; });
  return found == rows().end() ? nullptr : &*found;
}

[[noreturn]] void refuse(const Argument& argument, const std::string& name,
                         const std::string& what) {
  throw std::invalid_argument(
      fmt::format("{}: {} = \"{}\": {}", argument.layer_class, argument.name, name, what));
}

// With the arguments, but for an axis.
Activation with_arguments(const Row& row, const Config& arguments) {
  Activation f = row.function;
  const auto take = [&](const char* key, float& to) {
    to = static_cast<float>(arguments.get_double(key, static_cast<double>(to)));
  };
  switch (f.kind) {
    case Activation::kRelu:
    case Activation::kRectifier:
      take("negative_slope", f.alpha);
      take("threshold", f.threshold);
      take("max_value", f.maximum);
      return Activation::rectifier(f.alpha, f.threshold, f.maximum);
    case Activation::kElu:
    case Activation::kCelu:
      take("alpha", f.alpha);
      return f;
    case Activation::kGelu:
      return arguments.get_bool("approximate", false) ? Activation::kGeluTanh : f;
    case Activation::kHardShrink:
    case Activation::kSoftShrink:
      take("threshold", f.alpha);
      return f;
    case Activation::kSquareplus:
      take("b", f.alpha);
      return f;
    default:
      return f;
  }
}

}  // namespace

bool is_activation(const std::string& name) { return find_row(name) != nullptr; }

ActivationFunction parse_activation(const Argument& argument, const ActivationFunction& function) {
  const Row* const row = find_row(function.name);
  if (row == nullptr) {
    const auto quoted = [](const Row& r) { return fmt::format("\"{}\"", r.name); };
    refuse(argument, function.name,
           fmt::format("use {} (in a program, also a CustomLayer)",
                       core::alternatives(rows(), quoted)));
  }
  ActivationFunction result(
      row->name, take_arguments(argument, row->name, function.arguments, row->parameters));
  const Activation f = with_arguments(*row, result.arguments);
  const bool above_zero = f.kind == Activation::kCelu || f.kind == Activation::kSquareplus;
  const bool not_negative = f.kind == Activation::kHardShrink || f.kind == Activation::kSoftShrink;
  if ((above_zero && !(f.alpha > 0)) || (not_negative && !(f.alpha >= 0))) {
    refuse(argument, row->name,
           fmt::format("\"{}\" must be {}", row->parameters.front().key,
                       above_zero ? "above 0" : "at least 0"));
  }
  if (result.name == "relu" && !(f.alpha >= 0 && f.threshold >= 0 && f.maximum >= 0)) {
    refuse(argument, row->name, "its arguments must be at least 0");
  }
  return result;
}

backend::ActivationOp activation_op(const Layer& layer, const ActivationFunction& function,
                                    const Shape& input) {
  const Row& row = *find_row(function.name);
  backend::ActivationOp op{with_arguments(row, function.arguments)};
  if (op.activation.is_elementwise()) return op;
  const int64_t given = function.arguments.get_int("axis", -1);
  const int64_t axis = given < 0 ? input.rank() + given : given - 1;
  if (axis < 0 || axis >= input.rank()) {
    throw_shape_error(layer,
                      given == -1 ? "an input of rank 1 or more (without the batch)"
                                  : fmt::format("an input with the axis {} (the batch is axis 0, "
                                                "which {} is not for)",
                                                given, function.name),
                      input);
  }
  op.axis = static_cast<int>(axis);
  return op;
}

std::string name_of(const backend::ActivationOp& op) {
  for (const Row& row : rows()) {
    if (row.function == op.activation) return row.name;
  }
  if (op.activation.kind == Activation::kGeluTanh) return "gelu";
  if (op.activation.kind == Activation::kRectifier) return "relu";
  for (const Row& row : rows()) {  // with arguments
    if (row.function.kind == op.activation.kind) return row.name;
  }
  return "";
}

}  // namespace sluice::nn
