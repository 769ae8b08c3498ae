#include "sluice/layers/activation.h"

#include <cmath>
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

}  // namespace

ActivationLayer::ActivationLayer(const char* layer_class, const char* argument,
                                 ActivationFunction function, std::string name)
    : Layer(std::move(name)), function_(nn::parse_activation({layer_class, argument}, function)) {}

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
    : ActivationLayer("Softmax", "axis", {"softmax", {{"axis", options.axis}}}, options.name) {}

std::unique_ptr<Layer> Softmax::from_config(const Config& config) {
  return std::make_unique<Softmax>(SoftmaxOptions{.axis = config.get_int("axis", -1)});
}

Config Softmax::config() const {
  return Config().set("axis", function().arguments.get_int("axis", -1));
}

}  // namespace sluice
