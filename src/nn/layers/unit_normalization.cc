#include "sluice/layers/unit_normalization.h"

#include "nn/graph_builder.h"
#include "nn/sample_normalization.h"

namespace sluice {

UnitNormalization::UnitNormalization(const UnitNormalizationOptions& options)
    : Layer(options.name), options_(options) {}

std::unique_ptr<Layer> UnitNormalization::from_config(const Config& config) {
  UnitNormalizationOptions options;
  options.axis = nn::get_axes(config, "axis", options.axis);
  return std::make_unique<UnitNormalization>(options);
}

Config UnitNormalization::config() const {
  return Config().set("axis", nn::axes_value(options_.axis));
}

Shape UnitNormalization::output_shape(const Shape& input) const {
  (void)nn::view_of(*this, options_.axis, input);
  return input;
}

void UnitNormalization::lower(nn::GraphBuilder& builder) const {
  constexpr double kLeastNorm = 1e-12;
  builder.append(backend::NormalizeOp{.kind = backend::NormalizeOp::Kind::kUnit,
                                      .epsilon = kLeastNorm,
                                      .view = nn::view_of(*this, options_.axis, builder.shape())},
                 builder.shape());
}

}  // namespace sluice
