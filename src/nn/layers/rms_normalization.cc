#include "sluice/layers/rms_normalization.h"

#include <algorithm>

#include "nn/graph_builder.h"
#include "nn/sample_normalization.h"

namespace sluice {

RMSNormalization::RMSNormalization(const RMSNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  nn::require_epsilon({"RMSNormalization", "epsilon"}, options_.epsilon);
}

std::unique_ptr<Layer> RMSNormalization::from_config(const Config& config) {
  RMSNormalizationOptions options;
  options.axis = nn::get_axes(config, "axis", options.axis);
  options.epsilon = config.get_double("epsilon", options.epsilon);
  return std::make_unique<RMSNormalization>(options);
}

Config RMSNormalization::config() const {
  return Config().set("axis", nn::axes_value(options_.axis)).set("epsilon", options_.epsilon);
}

Shape RMSNormalization::output_shape(const Shape& input) const {
  const auto view = nn::view_of(*this, options_.axis, input);
  const auto is_apart = [](const auto& axis, const auto& next) {
    return axis.normalized && !next.normalized;
  };
  if (std::ranges::adjacent_find(view, is_apart) != view.end()) {
    nn::throw_shape_error(*this, "to normalize the last axes only", input);
  }
  return input;
}

std::vector<WeightSpec> RMSNormalization::weights(const Shape& input) const {
  const Shape sizes = nn::normalized_sizes(nn::view_of(*this, options_.axis, input));
  return {{.name = "scale", .shape = sizes, .initializer = "ones"}};
}

void RMSNormalization::lower(nn::GraphBuilder& builder) const {
  backend::NormalizeOp op{.kind = backend::NormalizeOp::Kind::kRms,
                          .epsilon = options_.epsilon,
                          .view = nn::view_of(*this, options_.axis, builder.shape()),
                          .gamma = builder.parameter("scale")};
  for (auto& axis : op.view) axis.weighted = axis.normalized;
  builder.append(op, builder.shape());
}

}  // namespace sluice
