#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"
#include "sluice/layers/border2d.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct ZeroPadding1DOptions {
  Border1D padding = 1;   // steps in front and behind, at least 0
  std::string name = {};  // empty: zero_padding1d, zero_padding1d_1, ...
};

// Zeros in front of a sequence and behind it.
//
//   x [N, T, C]      y [N, before + T + after, C]
//
// No weights. Throws std::invalid_argument for negative sizes; adding the layer throws ShapeError
// unless the input is [T, C]. Keras: keras.layers.ZeroPadding1D.
class ZeroPadding1D final : public Layer {
 public:
  explicit ZeroPadding1D(const ZeroPadding1DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "ZeroPadding1D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<ZeroPadding1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Border1D padding_;
};

// Keras' arguments with Keras' defaults.
struct ZeroPadding2DOptions {
  Border2D padding = 1;   // {{top, bottom}, {left, right}} in pixels, at least 0
  std::string name = {};  // empty: zero_padding2d, zero_padding2d_1, ...
};

// Zeros around an image.
//
//   x [N, H, W, C]      y [N, top + H + bottom, left + W + right, C]
//
//   model.add(ZeroPadding2D({.padding = {{0, 1}, {0, 1}}}));
//
// No weights. Throws std::invalid_argument for negative sizes; adding the layer throws ShapeError
// unless the input is [H, W, C]. Keras: keras.layers.ZeroPadding2D, channels last.
class ZeroPadding2D final : public Layer {
 public:
  explicit ZeroPadding2D(const ZeroPadding2DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "ZeroPadding2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<ZeroPadding2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Border2D padding_;
};

}  // namespace sluice
