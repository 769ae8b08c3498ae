#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"
#include "sluice/layers/per_feature.h"

namespace sluice {

// What a Rescaling is told.
struct RescalingOptions {
  PerFeature scale = {};    // required
  PerFeature offset = 0.0;  // added behind the scale
  std::string name = {};    // empty: rescaling, rescaling_1, ...
};

// The input in other units.
//
//   x [N, ..., F]      y = x scale + offset, of the same shape
//
//   model.add(Rescaling({.scale = 1 / 127.5, .offset = -1}));      // 0 to 255 becomes -1 to 1
//
// Images that Sluice reads are 0 to 1 already. No weights. Throws std::invalid_argument when the
// scale is missing or a number is not finite; adding the layer throws ShapeError where several
// numbers are not as many as the input's features. Keras: keras.layers.Rescaling.
class Rescaling final : public Layer {
 public:
  explicit Rescaling(const RescalingOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Rescaling"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Rescaling>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  RescalingOptions options_;
};

}  // namespace sluice
