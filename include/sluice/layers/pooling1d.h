#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct Pooling1DOptions {
  int64_t pool_size = 2;          // of a window, in steps of the sequence
  int64_t strides = 0;            // from one window to the next; 0: the pool's size
  std::string padding = "valid";  // or "same"; as in Conv1D
  std::string name = {};          // empty: max_pooling1d, max_pooling1d_1, ...
};

// What the two kinds of pooling share: windows, shapes, configuration. Pooling2D along one axis.
//
//   x [N, L, C]      y [N, L', C]      no weights
//
// L' as in Conv1D with kernel_size = pool_size; channels are pooled apart. Constructors throw
// std::invalid_argument for options out of range; adding the layer throws ShapeError unless the
// input is [L, C] and, for "valid", at least as long as the pool.
class Pooling1D : public Layer {
 public:
  // Strides as resolved: never 0.
  const Pooling1DOptions& options() const { return options_; }

  Config config() const override;
  Shape output_shape(const Shape& input) const override;

 protected:
  Pooling1D(const char* class_name, const Pooling1DOptions& options);
  static Pooling1DOptions options_from(const Config& config);

 private:
  Pooling1DOptions options_;
};

// The largest value of each window, as MaxPooling2D.
//
//   y[n, l, c] = max over i of x[n, l s + i - before, c]
//
// Keras: keras.layers.MaxPooling1D.
class MaxPooling1D final : public Pooling1D {
 public:
  explicit MaxPooling1D(const Pooling1DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "MaxPooling1D"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<MaxPooling1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The mean of each window over its steps inside the sequence: padding is not counted.
//
//   y[n, l, c] = mean over i of x[n, l s + i - before, c]
//
// Keras: keras.layers.AveragePooling1D.
class AveragePooling1D final : public Pooling1D {
 public:
  explicit AveragePooling1D(const Pooling1DOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "AveragePooling1D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<AveragePooling1D>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
