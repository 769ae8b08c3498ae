#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

struct DenseOptions {
  int64_t units = 0;                  // size of the output; required
  std::string activation = "linear";  // see Activation
  bool use_bias = true;
  std::string kernel_initializer = "glorot_uniform";
  std::string bias_initializer = "zeros";
  std::string name = {};  // empty: dense, dense_1, ...
};

// Fully connected layer: y = activation(x W + b), over the last axis.
//
//   x [N, ..., F]        kernel W [F, units]
//   y [N, ..., units]    bias b   [units]
//
// F is fixed by the input's shape. Throws ShapeError for an input without axes.
// Keras: keras.layers.Dense.
class Dense final : public Layer {
 public:
  explicit Dense(const DenseOptions& options);
  static std::unique_ptr<Layer> from_config(const Config& config);

  const DenseOptions& options() const { return options_; }

  std::string class_name() const override { return "Dense"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Dense>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  DenseOptions options_;
};

}  // namespace sluice
