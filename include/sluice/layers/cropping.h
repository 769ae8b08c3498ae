#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"
#include "sluice/layers/border2d.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct Cropping1DOptions {
  Border1D cropping = 1;  // steps at the start and at the end, at least 0
  std::string name = {};  // empty: cropping1d, cropping1d_1, ...
};

// A sequence without its ends.
//
//   x [N, T, C]      y [N, T - before - after, C]
//
//   model.add(Cropping1D({.cropping = {0, 2}}));
//
// No weights. Throws std::invalid_argument for negative sizes; adding the layer throws ShapeError
// unless the input is [T, C] and something is left. Keras: keras.layers.Cropping1D.
class Cropping1D final : public Layer {
 public:
  explicit Cropping1D(const Cropping1DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Cropping1D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Cropping1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Border1D cropping_;
};

// Keras' arguments with Keras' defaults.
struct Cropping2DOptions {
  Border2D cropping = 0;  // {{top, bottom}, {left, right}} in pixels, at least 0
  std::string name = {};  // empty: cropping2d, cropping2d_1, ...
};

// An image without its borders.
//
//   x [N, H, W, C]      y [N, H - top - bottom, W - left - right, C]
//
//   model.add(Cropping2D({.cropping = {{1, 1}, {0, 2}}}));
//
// No weights. Throws std::invalid_argument for negative sizes; adding the layer throws ShapeError
// unless the input is [H, W, C] and something is left. Keras: keras.layers.Cropping2D, channels
// last.
class Cropping2D final : public Layer {
 public:
  explicit Cropping2D(const Cropping2DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Cropping2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Cropping2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Border2D cropping_;
};

}  // namespace sluice
