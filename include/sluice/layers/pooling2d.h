#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice {

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct Pooling2DOptions {
  Size2D pool_size = 2;           // of a window, in pixels
  Size2D strides = 0;             // from one window to the next; 0: the pool's size
  std::string padding = "valid";  // or "same"; as in Conv2D
  std::string name = {};          // empty: max_pooling2d, max_pooling2d_1, ...
};

// What the two kinds of pooling share: windows, shapes, configuration.
//
//   x [N, H, W, C]      y [N, H', W', C]      no weights
//
// H' and W' as in Conv2D with kernel_size = pool_size; channels are pooled apart. Constructors
// throw std::invalid_argument for options out of range; adding the layer throws ShapeError unless
// the input is [H, W, C] and, for "valid", at least as large as the pool.
class Pooling2D : public Layer {
 public:
  // Strides as resolved: never 0.
  const Pooling2DOptions& options() const { return options_; }

  Config config() const override;
  Shape output_shape(const Shape& input) const override;

 protected:
  Pooling2D(const char* class_name, const Pooling2DOptions& options);
  static Pooling2DOptions options_from(const Config& config);

 private:
  Pooling2DOptions options_;
};

// The largest value of each window.
//
//   y[n, h, w, c] = max over i, j of x[n, h s_h + i - top, w s_w + j - left, c]
//
// Padding is never the largest. The gradient goes to the first largest pixel, row by row. A window
// with NaN in it gives NaN. Keras: keras.layers.MaxPooling2D.
class MaxPooling2D final : public Pooling2D {
 public:
  explicit MaxPooling2D(const Pooling2DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "MaxPooling2D"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<MaxPooling2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The mean of each window over its pixels inside the image: padding is not counted.
//
//   y[n, h, w, c] = mean over i, j of x[n, h s_h + i - top, w s_w + j - left, c]
//
// Keras: keras.layers.AveragePooling2D.
class AveragePooling2D final : public Pooling2D {
 public:
  explicit AveragePooling2D(const Pooling2DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "AveragePooling2D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<AveragePooling2D>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
