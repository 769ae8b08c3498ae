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
struct DepthwiseConv2DOptions {
  Size2D kernel_size = 0;                    // k_h, k_w, in pixels; required
  Size2D strides = 1;                        // s_h, s_w, from one window to the next
  std::string padding = "valid";             // or "same"; as in Conv2D
  int64_t depth_multiplier = 1;              // M, outputs for each channel
  Size2D dilation_rate = 1;                  // d_h, d_w, from one pixel of a window to the next
  ActivationFunction activation = "linear";  // what is applied to the output
  bool use_bias = true;                      // without it there is no b
  // How weights are drawn. The kernel's fan_out is k_h k_w M.
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  // Penalties, and what weights are held to; see sluice/regularizers.h and constraints.h. Empty:
  // none.
  std::string depthwise_regularizer = {};
  std::string bias_regularizer = {};
  std::string depthwise_constraint = {};
  std::string bias_constraint = {};
  std::string activity_regularizer = {};  // a penalty of the outputs
  std::string name = {};                  // empty: depthwise_conv2d, depthwise_conv2d_1, ...
};

// Convolution of each channel by itself, bias, activation.
//
//   y[n, h, w, c M + m] = activation(b[c M + m] + sum over i, j of
//                            x[n, h s_h + i d_h - top, w s_w + j d_w - left, c] W[i, j, c, m])
//
//   x [N, H, W, C]         kernel W [k_h, k_w, C, M]
//   y [N, H', W', C M]     bias b   [C M]
//
// H', W' and the padding are those of Conv2D, and so are the errors. Unlike Keras on TensorFlow, it
// takes strides that differ. With M above 1 it is slow on the CPU for what it computes: oneDNN has
// no kernel of its own for that.
//
//   model.add(DepthwiseConv2D({.kernel_size = 3, .padding = "same"}));
//
// Keras: keras.layers.DepthwiseConv2D.
class DepthwiseConv2D final : public Layer {
 public:
  explicit DepthwiseConv2D(const DepthwiseConv2DOptions& options);
  // From Keras' config, of which "kernel_size" must be there; what is absent has the default.
  // Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const DepthwiseConv2DOptions& options() const { return options_; }

  std::string class_name() const override { return "DepthwiseConv2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<DepthwiseConv2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  DepthwiseConv2DOptions options_;
};

}  // namespace sluice
