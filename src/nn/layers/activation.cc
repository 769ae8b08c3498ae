#include "sluice/layers/activation.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

Activation::Activation(std::string activation, const ActivationOptions& options)
    : Layer(options.name), activation_(std::move(activation)) {
  nn::parse_activation({"Activation", "activation"}, activation_);
}

std::unique_ptr<Layer> Activation::from_config(const Config& config) {
  nn::require_keys(config, {"activation"});
  return std::make_unique<Activation>(config.get_string("activation", "linear"));
}

Config Activation::config() const { return Config().set("activation", activation_); }

Shape Activation::output_shape(const Shape& input) const {
  if (activation_ == "softmax" && input.rank() < 1) {
    nn::throw_shape_error(*this, "an input of rank 1 or more (without the batch)", input);
  }
  return input;
}

void Activation::lower(nn::GraphBuilder& builder) const {
  builder.append_activation(nn::parse_activation({"Activation", "activation"}, activation_));
}

}  // namespace sluice
