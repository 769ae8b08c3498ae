#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

struct UnitNormalizationOptions {
  // One or several, counted from the batch as axis 0, or -1 for the last: Keras' default.
  std::vector<int64_t> axis = {-1};
  std::string name = {};  // empty: unit_normalization, unit_normalization_1, ...
};

// Scales each sample to a norm of 1 over the axes, apart for each place along the others.
//
//   y = x / max(||x||, 1e-12)        ||x|| the square root of the sum of x^2 over the axes
//
//   x, y [N, ...]
//
// Adding the layer throws ShapeError for an input without one of the axes.
//
// Keras: keras.layers.UnitNormalization. (Keras 2 takes 1e-6 for 1e-12.)
class UnitNormalization final : public Layer {
 public:
  explicit UnitNormalization(const UnitNormalizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  const UnitNormalizationOptions& options() const { return options_; }

  std::string class_name() const override { return "UnitNormalization"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<UnitNormalization>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  UnitNormalizationOptions options_;
};

}  // namespace sluice
