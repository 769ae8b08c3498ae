#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/activations.h"
#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice {

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct SeparableConv2DOptions {
  int64_t filters = 0;                       // channels of the output; required
  Size2D kernel_size = 0;                    // k_h, k_w, in pixels; required
  Size2D strides = 1;                        // from one window to the next
  std::string padding = "valid";             // or "same"; as in Conv2D
  Size2D dilation_rate = 1;                  // from one pixel of a window to the next
  int64_t depth_multiplier = 1;              // M, intermediate channels for each of the input
  ActivationFunction activation = "linear";  // what is applied to the output
  bool use_bias = true;                      // without it there is no b
  // How weights are drawn.
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer pointwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  // Penalties, and what weights are held to; see sluice/regularizers.h and constraints.h. Empty:
  // none.
  std::string depthwise_regularizer = {};
  std::string pointwise_regularizer = {};
  std::string bias_regularizer = {};
  std::string depthwise_constraint = {};
  std::string pointwise_constraint = {};
  std::string bias_constraint = {};
  std::string activity_regularizer = {};  // a penalty of the outputs
  std::string name = {};                  // empty: separable_conv2d, separable_conv2d_1, ...
};

// A depthwise convolution without bias or activation, and a 1 x 1 convolution of what it gives.
//
//   z = DepthwiseConv2D of x with D, as in that layer
//   y[n, h, w, f] = activation(b[f] + sum over k of z[n, h, w, k] P[k, f])
//
//   x [N, H, W, C]            depthwise_kernel D [k_h, k_w, C, M]
//   z [N, H', W', C M]        pointwise_kernel P [1, 1, C M, filters]
//   y [N, H', W', filters]    bias b             [filters]
//
// H', W' and the padding are those of Conv2D, and so are the errors.
//
//   model.add(SeparableConv2D({.filters = 64, .kernel_size = 3, .activation = "relu"}));
//
// Chollet, 2016. Keras: keras.layers.SeparableConv2D.
class SeparableConv2D final : public Layer {
 public:
  explicit SeparableConv2D(const SeparableConv2DOptions& options);
  // From Keras' config, of which "filters" and "kernel_size" must be there; what is absent has the
  // default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const SeparableConv2DOptions& options() const { return options_; }

  std::string class_name() const override { return "SeparableConv2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<SeparableConv2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  SeparableConv2DOptions options_;
};

}  // namespace sluice
