#include "sluice/layers/normalization.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nn/graph_builder.h"
#include "nn/per_feature.h"

namespace sluice {

Normalization::Normalization(const NormalizationOptions& options)
    : Layer(options.name), options_(options) {
  nn::require_finite({"Normalization", "mean"}, options_.mean);
  nn::require_finite({"Normalization", "variance"}, options_.variance);
  if (options_.mean.values.empty() != options_.variance.values.empty()) {
    throw std::invalid_argument("Normalization: mean and variance: give both or none");
  }
  for (const double variance : options_.variance.values) {
    if (variance >= 0) continue;
    throw std::invalid_argument(
        fmt::format("Normalization: variance = {}: must be at least 0", variance));
  }
}

std::unique_ptr<Layer> Normalization::from_config(const Config& config) {
  NormalizationOptions options;
  const ConfigValue* axis = config.find("axis");
  if (axis != nullptr && std::holds_alternative<int64_t>(*axis)) {
    options.axis = {std::get<int64_t>(*axis)};
  } else {
    options.axis = config.get_ints("axis", options.axis);
  }
  options.mean = nn::get_per_feature(config, "mean");
  options.variance = nn::get_per_feature(config, "variance");
  options.invert = config.get_bool("invert", options.invert);
  return std::make_unique<Normalization>(options);
}

Config Normalization::config() const {
  return Config()
      .set("axis", options_.axis)
      .set("invert", options_.invert)
      .set("mean", nn::to_value(options_.mean))
      .set("variance", nn::to_value(options_.variance));
}

void Normalization::adapt(std::span<const float> x, int64_t features) {
  nn::require_size({"Normalization", "features"}, features);
  if (x.empty() || x.size() % static_cast<size_t>(features) != 0) {
    throw std::invalid_argument(
        fmt::format("Normalization: adapt(): {} numbers are no rows of {}", x.size(), features));
  }
  const size_t columns = options_.axis.empty() ? 1 : static_cast<size_t>(features);
  const auto rows = static_cast<double>(x.size() / columns);
  std::vector<double> mean(columns, 0.0), variance(columns, 0.0);
  for (size_t i = 0; i < x.size(); ++i) mean[i % columns] += x[i] / rows;
  for (size_t i = 0; i < x.size(); ++i) {
    variance[i % columns] += std::pow(x[i] - mean[i % columns], 2) / rows;
  }
  NormalizationOptions options = options_;
  options.mean = mean;
  options.variance = variance;
  *this = Normalization(options);
}

Shape Normalization::output_shape(const Shape& input) const {
  for (const int64_t axis : options_.axis) {
    if (nn::axis_of(*this, axis, input) != input.rank() - 1 || options_.axis.size() > 1) {
      nn::throw_shape_error(*this, "axis -1, the last, or none", input);
    }
  }
  nn::require_features(*this, options_.mean, input);
  nn::require_features(*this, options_.variance, input);
  return input;
}

std::vector<WeightSpec> Normalization::weights(const Shape& input) const {
  if (!options_.mean.values.empty()) return {};
  (void)output_shape(input);
  const Shape shape = options_.axis.empty() ? Shape() : Shape{input.dims().back()};
  return {{"mean", shape, "zeros", false},
          {"variance", shape, "ones", false},
          {"count", {}, "zeros", false}};
}

void Normalization::lower(nn::GraphBuilder& builder) const {
  if (options_.mean.values.empty()) {
    backend::StandardizeOp op{builder.parameter("mean"), builder.parameter("variance"),
                              options_.invert};
    op.mean.role = op.variance.role = backend::ParameterRole::kFrozen;
    builder.append(op, builder.shape());
    return;
  }
  const size_t n = std::max(options_.mean.values.size(), options_.variance.values.size());
  const std::vector<float> mean = nn::floats_of(options_.mean, n), zeros(n, 0.0f);
  std::vector<float> scale = nn::floats_of(options_.variance, n);
  for (float& value : scale) {
    value = std::max(std::sqrt(value), 1e-7f);
    if (!options_.invert) value = 1 / value;
  }
  builder.append(options_.invert
                     ? backend::AffineOp{.center = zeros, .scale = scale, .offset = mean}
                     : backend::AffineOp{.center = mean, .scale = scale, .offset = zeros},
                 builder.shape());
}

}  // namespace sluice
