#include "sluice/layers/batch_normalization.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/initializers.h"

namespace sluice {

BatchNormalization::BatchNormalization(const BatchNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  const auto check = [](bool valid, const char* name, double value, const char* range) {
    if (valid) return;
    throw std::invalid_argument(
        fmt::format("BatchNormalization: {} = {}: must be {}", name, value, range));
  };
  const double momentum = options_.momentum, epsilon = options_.epsilon;
  check(momentum >= 0 && momentum <= 1, "momentum", momentum, "from 0 to 1");
  check(epsilon >= 0 && epsilon <= 1e6, "epsilon", epsilon, "at least 0");
  const auto name_initializer = [](const char* argument, Initializer& initializer) {
    initializer = nn::parse_initializer({"BatchNormalization", argument}, initializer);
  };
  name_initializer("beta_initializer", options_.beta_initializer);
  name_initializer("gamma_initializer", options_.gamma_initializer);
  name_initializer("moving_mean_initializer", options_.moving_mean_initializer);
  name_initializer("moving_variance_initializer", options_.moving_variance_initializer);
}

std::unique_ptr<Layer> BatchNormalization::from_config(const Config& config) {
  BatchNormalizationOptions options;
  options.axis = nn::get_axis(config, "axis", options.axis);
  options.momentum = config.get_double("momentum", options.momentum);
  options.epsilon = config.get_double("epsilon", options.epsilon);
  options.center = config.get_bool("center", options.center);
  options.scale = config.get_bool("scale", options.scale);
  const auto read = [&config](const char* key, Initializer& value) {
    value = nn::get_initializer(config, key, value);
  };
  read("beta_initializer", options.beta_initializer);
  read("gamma_initializer", options.gamma_initializer);
  read("moving_mean_initializer", options.moving_mean_initializer);
  read("moving_variance_initializer", options.moving_variance_initializer);
  return std::make_unique<BatchNormalization>(options);
}

Config BatchNormalization::config() const {
  return Config()
      .set("axis", options_.axis)
      .set("momentum", options_.momentum)
      .set("epsilon", options_.epsilon)
      .set("center", options_.center)
      .set("scale", options_.scale)
      .set("beta_initializer", nn::to_value(options_.beta_initializer))
      .set("gamma_initializer", nn::to_value(options_.gamma_initializer))
      .set("moving_mean_initializer", nn::to_value(options_.moving_mean_initializer))
      .set("moving_variance_initializer", nn::to_value(options_.moving_variance_initializer))
      .set("beta_regularizer", {})
      .set("gamma_regularizer", {})
      .set("beta_constraint", {})
      .set("gamma_constraint", {});
}

Shape BatchNormalization::output_shape(const Shape& input) const {
  if (input.rank() < 1) {
    nn::throw_shape_error(*this, "an input of rank 1 or more (without the batch)", input);
  }
  const int64_t last = static_cast<int64_t>(input.rank());  // the batch is axis 0
  if (options_.axis != -1 && options_.axis != last) {
    nn::throw_shape_error(
        *this, fmt::format("channels on the last axis, {}, not on axis {},", last, options_.axis),
        input);
  }
  return input;
}

std::vector<WeightSpec> BatchNormalization::weights(const Shape& input) const {
  const Shape channels{output_shape(input).dims().back()};
  std::vector<WeightSpec> weights;
  if (options_.scale) weights.push_back({"gamma", channels, options_.gamma_initializer});
  if (options_.center) weights.push_back({"beta", channels, options_.beta_initializer});
  weights.push_back({"moving_mean", channels, options_.moving_mean_initializer, false});
  weights.push_back({"moving_variance", channels, options_.moving_variance_initializer, false});
  return weights;
}

void BatchNormalization::lower(nn::GraphBuilder& builder) const {
  backend::BatchNormOp op;
  op.momentum = options_.momentum;
  op.epsilon = options_.epsilon;
  op.frozen = !trainable();
  if (options_.scale) op.gamma = builder.parameter("gamma");
  if (options_.center) op.beta = builder.parameter("beta");
  op.mean = builder.parameter("moving_mean");
  op.variance = builder.parameter("moving_variance");
  builder.append(op, builder.shape());
}

}  // namespace sluice
