#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct RMSNormalizationOptions {
  // The last, which is -1, or the last few, counted from the batch as axis 0.
  std::vector<int64_t> axis = {-1};
  double epsilon = 1e-6;  // at least 0
  std::string name = {};  // empty: rms_normalization, rms_normalization_1, ...
};

// Divides each sample by its root mean square over the axes, apart for each place along the others.
//
//   y = x / sqrt(q + epsilon) scale        q the mean of x^2 over the axes
//
//   x [N, ...]     scale [the sizes of the axes], ones
//   y [N, ...]
//
// Training and inference are the same. The constructor throws std::invalid_argument for options out
// of range; adding the layer throws ShapeError for an input without one of the axes, and for axes
// that are not the last: Keras fails there too, or scales along others.
//
// Zhang & Sennrich, 2019, arXiv:1910.07467. Keras 3: keras.layers.RMSNormalization.
class RMSNormalization final : public Layer {
 public:
  explicit RMSNormalization(const RMSNormalizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  const RMSNormalizationOptions& options() const { return options_; }

  std::string class_name() const override { return "RMSNormalization"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<RMSNormalization>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  RMSNormalizationOptions options_;
};

}  // namespace sluice
