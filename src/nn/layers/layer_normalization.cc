#include "sluice/layers/layer_normalization.h"

#include <stdexcept>

#include "nn/graph_builder.h"
#include "nn/sample_normalization.h"

namespace sluice {

LayerNormalization::LayerNormalization(const LayerNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  nn::require_epsilon({"LayerNormalization", "epsilon"}, options_.epsilon);
  nn::check_gamma_and_beta("LayerNormalization", options_);
}

std::unique_ptr<Layer> LayerNormalization::from_config(const Config& config) {
  if (config.get_bool("rms_scaling", false)) {
    throw std::invalid_argument(
        "LayerNormalization: rms_scaling = true: Keras has deprecated it; use RMSNormalization");
  }
  LayerNormalizationOptions options;
  options.axis = nn::get_axes(config, "axis", options.axis);
  options.epsilon = config.get_double("epsilon", options.epsilon);
  nn::read_gamma_and_beta(config, options);
  return std::make_unique<LayerNormalization>(options);
}

Config LayerNormalization::config() const {
  return nn::write_gamma_and_beta(
      Config().set("axis", nn::axes_value(options_.axis)).set("epsilon", options_.epsilon),
      options_);
}

Shape LayerNormalization::output_shape(const Shape& input) const {
  (void)nn::view_of(*this, options_.axis, input);
  return input;
}

std::vector<WeightSpec> LayerNormalization::weights(const Shape& input) const {
  return nn::gamma_and_beta(options_,
                            nn::normalized_sizes(nn::view_of(*this, options_.axis, input)));
}

void LayerNormalization::lower(nn::GraphBuilder& builder) const {
  backend::NormalizeOp op{.epsilon = options_.epsilon,
                          .view = nn::view_of(*this, options_.axis, builder.shape())};
  if (options_.scale) op.gamma = builder.parameter("gamma");
  if (options_.center) op.beta = builder.parameter("beta");
  for (auto& axis : op.view) axis.weighted = axis.normalized && (op.gamma || op.beta);
  builder.append(op, builder.shape());
}

}  // namespace sluice
