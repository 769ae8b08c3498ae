#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct UpSampling1DOptions {
  int64_t size = 2;       // how often each step comes, at least 1
  std::string name = {};  // empty: up_sampling1d, up_sampling1d_1, ...
};

// Each step of a sequence several times.
//
//   x [N, T, C]      y [N, T size, C]: y[., t, .] = x[., t / size, .], rounded down
//
// No weights. Throws std::invalid_argument for a size below 1; adding the layer throws ShapeError
// unless the input is [T, C]. Keras: keras.layers.UpSampling1D.
class UpSampling1D final : public Layer {
 public:
  explicit UpSampling1D(const UpSampling1DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "UpSampling1D"; }
  Config config() const override { return Config().set("size", size_); }
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<UpSampling1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  int64_t size_;
};

// Keras' arguments with Keras' defaults.
struct UpSampling2DOptions {
  Size2D size = 2;                        // by how much rows and columns become more, at least 1
  std::string interpolation = "nearest";  // or one of those below
  std::string name = {};                  // empty: up_sampling2d, up_sampling2d_1, ...
};

// An image with more pixels.
//
//   x [N, H, W, C]      y [N, H size_h, W size_w, C]
//
//   nearest    y[n, h, w, c] = x[n, h / size_h, w / size_w, c], rounded down
//   bilinear   between the four pixels whose centres surround that of y's pixel, those at the
//              border going on outside
//   bicubic    from 4 x 4 pixels around it, each with the weight f(distance along the rows)
//              f(distance along the columns), divided by the sum of those that are inside, where
//              f is Keys' (1981) with a = -1/2. TensorFlow rounds these distances to 1/1024
//   lanczos3   from 6 x 6 with f(d) = sinc(d) sinc(d / 3); lanczos5 likewise from 10 x 10
//
// No weights. Throws std::invalid_argument for sizes below 1 and another interpolation; adding the
// layer throws ShapeError unless the input is [H, W, C].
// Keras: keras.layers.UpSampling2D, channels last.
class UpSampling2D final : public Layer {
 public:
  explicit UpSampling2D(const UpSampling2DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "UpSampling2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<UpSampling2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  UpSampling2DOptions options_;
};

}  // namespace sluice
