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
struct Conv2DOptions {
  int64_t filters = 0;            // channels of the output; required
  Size2D kernel_size = 0;         // k_h, k_w, in pixels; required
  Size2D strides = 1;             // s_h, s_w, from one window to the next
  std::string padding = "valid";  // or "same", see below
  Size2D dilation_rate = 1;       // d_h, d_w, from one pixel of a window to the next
  int64_t groups = 1;             // in which channels and filters are connected; see below
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
  std::string name = {};                  // empty: conv2d, conv2d_1, ...
};

// 2D convolution (cross-correlation, the kernel is not flipped), bias, activation.
//
//   y[n, h, w, f] = activation(b[f] + sum over i, j, c of
//                      x[n, h s_h + i d_h - top, w s_w + j d_w - left, c] W[i, j, c, f])
//
//   x [N, H, W, C]             kernel W [k_h, k_w, C / groups, filters]
//   y [N, H', W', filters]     bias b   [filters]
//
// A window spans e_h = (k_h - 1) d_h + 1 rows.
// "valid":  H' = floor((H - e_h) / s_h) + 1, no padding.
// "same":   H' = ceil(H / s_h); padded with zeros, max((H' - 1) s_h + e_h - H, 0) in all, the
//           smaller half on top and left. The same for W.
// In groups, the first filters / groups filters see the first C / groups channels, and so on.
//
// Images are channels last. The constructor throws std::invalid_argument for options out of range,
// for both strides and dilation above 1, and for filters that do not go into the groups; adding the
// layer throws ShapeError unless the input is [H, W, C], C goes into the groups, and, for "valid",
// the image is at least as large as a window.
//
//   model.add(Conv2D({.filters = 32, .kernel_size = 3, .padding = "same", .activation = "relu"}));
//
// LeCun et al., 1998. Keras: keras.layers.Conv2D.
class Conv2D final : public Layer {
 public:
  explicit Conv2D(const Conv2DOptions& options);
  // From Keras' config, of which "filters" and "kernel_size" must be there; what is absent has the
  // default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const Conv2DOptions& options() const { return options_; }

  std::string class_name() const override { return "Conv2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Conv2D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Conv2DOptions options_;
};

}  // namespace sluice
