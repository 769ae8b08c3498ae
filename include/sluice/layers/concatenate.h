#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What a Concatenate may be told.
struct ConcatenateOptions {
  int64_t axis = -1;      // as Keras counts: 0 is the batch, -1 the last
  std::string name = {};  // empty: concatenate, concatenate_1, ...
};

// Several inputs one behind the other along an axis, as the channels of images in DenseNet and
// U-Net.
//
//   x_k [N, ..., c_k, ...]      y [N, ..., c_1 + ... + c_n, ...]
//
//   const auto y = Concatenate()({x, shortcut});
//
// No weights. Calling it throws ShapeError unless all inputs have the same sizes but along the
// axis, and for the batch's axis. Keras: keras.layers.Concatenate.
class Concatenate final : public Layer {
 public:
  explicit Concatenate(const ConcatenateOptions& options = {})
      : Layer(options.name), axis_(options.axis) {}
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Concatenate"; }
  Config config() const override { return Config().set("axis", axis_); }
  Shape output_shape(const Shape& input) const override;
  Shape merged_shape(std::span<const Shape> inputs) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Concatenate>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  int64_t axis_;
};

}  // namespace sluice
