#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/activations.h"
#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct DenseOptions {
  int64_t units = 0;                         // size of the output, from 1 to 2^31 - 1; required
  ActivationFunction activation = "linear";  // what is applied to the output
  bool use_bias = true;                      // without it there is no b
  // How weights are drawn.
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  // Penalties, and what weights are held to; see sluice/regularizers.h and constraints.h. Empty:
  // none.
  std::string kernel_regularizer = {};
  std::string bias_regularizer = {};
  std::string kernel_constraint = {};
  std::string bias_constraint = {};
  std::string activity_regularizer = {};  // a penalty of the outputs
  std::string name = {};                  // empty: dense, dense_1, ...
};

// Fully connected layer, over the last axis.
//
//   y = activation(x W + b)
//
//   x [N, ..., F]        kernel W [F, units]
//   y [N, ..., units]    bias b   [units]
//
// F is fixed by the input's shape; further axes are positions that share the weights. Images need a
// Flatten before it, unless each pixel's channels are meant.
//
// The constructor throws std::invalid_argument for options out of range; adding the layer throws
// ShapeError for an input without axes.
//
//   model.add(Dense({.units = 10, .activation = "softmax"}));
//
// Keras: keras.layers.Dense.
class Dense final : public Layer {
 public:
  explicit Dense(const DenseOptions& options);
  // From Keras' config, of which "units" must be there; what is absent has the default. Throws
  // std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
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
