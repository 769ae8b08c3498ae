#include "sluice/layers/batch_normalization.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/initializers.h"
#include "nn/sample_normalization.h"

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
  check(epsilon >= 0 && epsilon <= 1e6, "epsilon", epsilon, "from 0 to 1e6");
  nn::check_gamma_and_beta("BatchNormalization", options_);
  const auto name_initializer = [](const char* argument, Initializer& initializer) {
    initializer = nn::parse_initializer({"BatchNormalization", argument}, initializer);
  };
  name_initializer("moving_mean_initializer", options_.moving_mean_initializer);
  name_initializer("moving_variance_initializer", options_.moving_variance_initializer);
}

std::unique_ptr<Layer> BatchNormalization::from_config(const Config& config) {
  BatchNormalizationOptions options;
  options.axis = nn::get_axis(config, "axis", options.axis);
  options.momentum = config.get_double("momentum", options.momentum);
  options.epsilon = config.get_double("epsilon", options.epsilon);
  nn::read_gamma_and_beta(config, options);
  const auto read = [&config](const char* key, Initializer& value) {
    value = nn::get_initializer(config, key, value);
  };
  read("moving_mean_initializer", options.moving_mean_initializer);
  read("moving_variance_initializer", options.moving_variance_initializer);
  return std::make_unique<BatchNormalization>(options);
}

Config BatchNormalization::config() const {
  return nn::write_gamma_and_beta(Config()
                                      .set("axis", options_.axis)
                                      .set("momentum", options_.momentum)
                                      .set("epsilon", options_.epsilon),
                                  options_)
      .set("moving_mean_initializer", nn::to_value(options_.moving_mean_initializer))
      .set("moving_variance_initializer", nn::to_value(options_.moving_variance_initializer));
}

Shape BatchNormalization::output_shape(const Shape& input) const {
  if (input.rank() < 1) {
    nn::throw_shape_error(*this, "an input of rank 1 or more (without the batch)", input);
  }
  const int64_t last = static_cast<int64_t>(input.rank());  // the batch is axis 0
  if (options_.axis != -1 && options_.axis != last) {
    nn::throw_shape_error(
        *this, fmt::format("channels on axis {} (the last), not {}", last, options_.axis), input);
  }
  return input;
}

std::vector<WeightSpec> BatchNormalization::weights(const Shape& input) const {
  const Shape channels{output_shape(input).dims().back()};
  std::vector<WeightSpec> weights = nn::gamma_and_beta(options_, channels);
  weights.push_back({"moving_mean", channels, options_.moving_mean_initializer, false});
  weights.push_back({"moving_variance", channels, options_.moving_variance_initializer, false});
  return weights;
}

void BatchNormalization::lower(nn::GraphBuilder& builder) const {
  backend::BatchNormOp op;
  op.momentum = options_.momentum;
  op.epsilon = options_.epsilon;
  op.frozen = builder.is_frozen();
  if (options_.scale) op.gamma = builder.parameter("gamma");
  if (options_.center) op.beta = builder.parameter("beta");
  op.mean = builder.parameter("moving_mean");
  op.variance = builder.parameter("moving_variance");
  builder.append(op, builder.shape());
}

}  // namespace sluice
