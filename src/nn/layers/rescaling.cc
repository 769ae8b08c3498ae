#include "sluice/layers/rescaling.h"

#include <algorithm>
#include <stdexcept>

#include "nn/graph_builder.h"
#include "nn/per_feature.h"

namespace sluice {

Rescaling::Rescaling(const RescalingOptions& options) : Layer(options.name), options_(options) {
  if (options_.scale.values.empty()) {
    throw std::invalid_argument("Rescaling: scale: missing; it has no default");
  }
  if (options_.offset.values.empty()) options_.offset = 0.0;
  nn::require_finite({"Rescaling", "scale"}, options_.scale);
  nn::require_finite({"Rescaling", "offset"}, options_.offset);
}

std::unique_ptr<Layer> Rescaling::from_config(const Config& config) {
  return std::make_unique<Rescaling>(
      RescalingOptions{.scale = nn::get_per_feature(config, "scale"),
                       .offset = nn::get_per_feature(config, "offset")});
}

Config Rescaling::config() const {
  return Config()
      .set("scale", nn::to_value(options_.scale))
      .set("offset", nn::to_value(options_.offset));
}

Shape Rescaling::output_shape(const Shape& input) const {
  nn::require_features(*this, options_.scale, input);
  nn::require_features(*this, options_.offset, input);
  return input;
}

void Rescaling::lower(nn::GraphBuilder& builder) const {
  const size_t n = std::max(options_.scale.values.size(), options_.offset.values.size());
  builder.append(backend::AffineOp{.center = std::vector<float>(n, 0.0f),
                                   .scale = nn::floats_of(options_.scale, n),
                                   .offset = nn::floats_of(options_.offset, n)},
                 builder.shape());
}

}  // namespace sluice
