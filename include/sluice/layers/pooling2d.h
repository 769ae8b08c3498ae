#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice {

struct Pooling2DOptions {
  Size2D pool_size = 2;
  Size2D strides = 0;             // 0: the pool's size
  std::string padding = "valid";  // or "same"
  std::string name = {};          // empty: max_pooling2d, max_pooling2d_1, ...
};

// What the two kinds of pooling share: windows, shapes, configuration.
//
//   x [N, H, W, C]      y [N, H', W', C]      no weights
//
// H' and W' as in Conv2D with kernel_size = pool_size. Throws ShapeError unless the input is
// [H, W, C] and, for "valid", at least as large as the pool.
class Pooling2D : public Layer {
 public:
  const Pooling2DOptions& options() const { return options_; }  // strides as resolved

  Config config() const override;
  Shape output_shape(const Shape& input) const override;

 protected:
  Pooling2D(const char* class_name, const Pooling2DOptions& options);
  static Pooling2DOptions options_from(const Config& config);

 private:
  Pooling2DOptions options_;
};

// The largest value of each window; padding never is the largest.
// Keras: keras.layers.MaxPooling2D.
class MaxPooling2D final : public Pooling2D {
 public:
  explicit MaxPooling2D(const Pooling2DOptions& options = {});
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "MaxPooling2D"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<MaxPooling2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The mean of each window over the cells inside the image: padding is not counted.
// Keras: keras.layers.AveragePooling2D.
class AveragePooling2D final : public Pooling2D {
 public:
  explicit AveragePooling2D(const Pooling2DOptions& options = {});
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "AveragePooling2D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<AveragePooling2D>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
