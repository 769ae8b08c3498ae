#include "sluice/layers/activation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "nn/activations.h"
#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {
namespace {

// Of what parse_activation() has given: all that was left out has its default.
double given(const ActivationFunction& function, const char* key, double fallback) {
  return function.arguments.get_double(key, fallback);
}

Config relu_arguments(const ReLUOptions& options) {
  for (const auto& [name, value] : {std::pair{"max_value", options.max_value.value_or(0)},
                                    {"negative_slope", options.negative_slope},
                                    {"threshold", options.threshold}}) {
    if (!(value >= 0)) nn::refuse_number({"ReLU", name}, value, "must be at least 0");
  }
  Config arguments{{"negative_slope", options.negative_slope}, {"threshold", options.threshold}};
  if (options.max_value) arguments.set("max_value", *options.max_value);
  return arguments;
}

ActivationFunction softmax_over(const std::vector<int64_t>& axes) {
  if (axes.empty()) throw std::invalid_argument("Softmax: axis = []: name at least one");
  if (axes.size() > 1) return {"softmax", {{"axis", axes}}};
  return nn::parse_activation({"Softmax", "axis"}, {"softmax", {{"axis", axes.front()}}});
}

// Without the batch.
std::vector<int> sorted_axes(const Softmax& layer, const std::vector<int64_t>& axes,
                             const Shape& shape) {
  std::vector<int> sorted;
  for (const int64_t axis : axes) sorted.push_back(nn::axis_of(layer, axis, shape));
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    nn::throw_shape_error(layer, "each axis to be named once", shape);
  }
  return sorted;
}

}  // namespace

ActivationLayer::ActivationLayer(const char* layer_class, const char* argument,
                                 ActivationFunction function, std::string name)
    : Layer(std::move(name)), function_(nn::parse_activation({layer_class, argument}, function)) {}

ActivationLayer::ActivationLayer(ActivationFunction function, std::string name)
    : Layer(std::move(name)), function_(std::move(function)) {}

Shape ActivationLayer::output_shape(const Shape& input) const {
  nn::activation_op(*this, function_, input);
  return input;
}

void ActivationLayer::lower(nn::GraphBuilder& builder) const {
  builder.append_activation(nn::activation_op(*this, function_, builder.shape()));
}

Activation::Activation(ActivationFunction activation, const ActivationOptions& options)
    : ActivationLayer("Activation", "activation", std::move(activation), options.name) {}

std::unique_ptr<Layer> Activation::from_config(const Config& config) {
  nn::require_keys(config, {"activation"});
  return std::make_unique<Activation>(nn::get_activation(config, "activation", "linear"));
}

Config Activation::config() const { return Config().set("activation", nn::to_value(function())); }

ReLU::ReLU(const ReLUOptions& options)
    : ActivationLayer("ReLU", "options", {"relu", relu_arguments(options)}, options.name) {}

std::unique_ptr<Layer> ReLU::from_config(const Config& config) {
  ReLUOptions options;
  if (const double most = config.get_double("max_value", INFINITY); most < INFINITY) {
    options.max_value = most;
  }
  options.negative_slope = config.get_double("negative_slope", options.negative_slope);
  options.threshold = config.get_double("threshold", options.threshold);
  return std::make_unique<ReLU>(options);
}

Config ReLU::config() const {
  const double most = given(function(), "max_value", INFINITY);
  return Config()
      .set("max_value", most < INFINITY ? ConfigValue(most) : ConfigValue())
      .set("negative_slope", given(function(), "negative_slope", 0))
      .set("threshold", given(function(), "threshold", 0));
}

LeakyReLU::LeakyReLU(const LeakyReLUOptions& options)
    : ActivationLayer("LeakyReLU", "negative_slope",
                      {"leaky_relu", {{"negative_slope", options.negative_slope}}}, options.name) {}

std::unique_ptr<Layer> LeakyReLU::from_config(const Config& config) {
  const char* const key = config.has("negative_slope") ? "negative_slope" : "alpha";
  return std::make_unique<LeakyReLU>(
      LeakyReLUOptions{.negative_slope = config.get_double(key, 0.3)});
}

Config LeakyReLU::config() const {
  return Config().set("alpha", given(function(), "negative_slope", 0.2));
}

ELU::ELU(const ELUOptions& options)
    : ActivationLayer("ELU", "alpha", {"elu", {{"alpha", options.alpha}}}, options.name) {}

std::unique_ptr<Layer> ELU::from_config(const Config& config) {
  return std::make_unique<ELU>(ELUOptions{.alpha = config.get_double("alpha", 1)});
}

Config ELU::config() const { return Config().set("alpha", given(function(), "alpha", 1)); }

Softmax::Softmax(const SoftmaxOptions& options)
    : ActivationLayer(softmax_over(options.axis), options.name), axes_(options.axis) {}

std::unique_ptr<Layer> Softmax::from_config(const Config& config) {
  return std::make_unique<Softmax>(SoftmaxOptions{.axis = nn::get_axes(config, "axis", {-1})});
}

Config Softmax::config() const { return Config().set("axis", nn::axes_value(axes_)); }

Shape Softmax::output_shape(const Shape& input) const {
  if (axes_.size() == 1) return ActivationLayer::output_shape(input);
  if (input.rank() > backend::RearrangeOp::kMostAxes) {
    nn::throw_shape_error(
        *this, fmt::format("an input of at most {} axes", backend::RearrangeOp::kMostAxes), input);
  }
  (void)sorted_axes(*this, axes_, input);
  return input;
}

void Softmax::lower(nn::GraphBuilder& builder) const {
  if (axes_.size() == 1) return ActivationLayer::lower(builder);
  const Shape shape = builder.shape();
  const std::vector<int> axes = sorted_axes(*this, axes_, shape);
  // In an order in which the axes are neighbours they are one.
  const bool are_neighbours = axes.back() - axes.front() + 1 == static_cast<int>(axes.size());
  std::vector<int> order;
  for (int k = 0; k < shape.rank(); ++k) {
    if (are_neighbours || !std::ranges::binary_search(axes, k)) order.push_back(k);
  }
  const int first = are_neighbours ? axes.front() : static_cast<int>(order.size());
  if (!are_neighbours) order.insert(order.end(), axes.begin(), axes.end());
  backend::RearrangeOp there, back;
  back.axes.resize(order.size());
  std::vector<int64_t> moved, together;
  for (int k = 0; k < shape.rank(); ++k) {
    const int from = order[static_cast<size_t>(k)];
    there.axes.push_back({.from = from});
    back.axes[static_cast<size_t>(from)] = {.from = k};
    moved.push_back(shape[from]);
    if (k > first && k < first + static_cast<int>(axes.size())) {
      together.back() *= shape[from];
    } else {
      together.push_back(shape[from]);
    }
  }
  builder.append(std::move(there), Shape(moved));
  builder.append(backend::ReshapeOp{}, Shape(together));
  builder.append_activation({.activation = backend::Activation::kSoftmax, .axis = first});
  builder.append(backend::ReshapeOp{}, Shape(moved));
  builder.append(std::move(back), shape);
}

}  // namespace sluice
