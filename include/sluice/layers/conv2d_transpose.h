#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/activations.h"
#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice {

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct Conv2DTransposeOptions {
  int64_t filters = 0;                        // channels of the output; required
  Size2D kernel_size = 0;                     // k_h, k_w, in pixels; required
  Size2D strides = 1;                         // s_h, s_w, from one pixel's window to the next one's
  std::string padding = "valid";              // or "same", see below
  std::optional<Size2D> output_padding = {};  // o_h, o_w, from 0 to strides - 1; see below
  Size2D dilation_rate = 1;                   // d_h, d_w, from one pixel of a window to the next
  ActivationFunction activation = "linear";   // what is applied to the output
  bool use_bias = true;                       // without it there is no b
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
  std::string name = {};                  // empty: conv2d_transpose, conv2d_transpose_1, ...
};

// Transposed convolution ("deconvolution"), bias, activation: what the gradient of a Conv2D's input
// is to that of its output. Each pixel of x is spread over a window of y, where they add up:
//
//   y[n, h s_h + i d_h - top, w s_w + j d_w - left, f] = activation(b[f] + sum of all
//                                     x[n, h, w, c] W[i, j, f, c] that meet there)
//
//   x [N, H, W, C]             kernel W [k_h, k_w, filters, C]
//   y [N, H', W', filters]     bias b   [filters]
//
// A window spans e_h = (k_h - 1) d_h + 1 rows.
// "valid":  H' = (H - 1) s_h + e_h + o_h, nothing is cut off; without output_padding, o_h is
//           max(s_h - e_h, 0).
// "same":   H' = H s_h, or, with output_padding, (H - 1) s_h + e_h mod 2 + o_h; of what goes
//           beyond, max((H - 1) s_h + e_h - H', 0) rows, the smaller half is cut off on top. The
//           same for W.
//
// Images are channels last. The constructor throws std::invalid_argument for options out of range,
// and for both strides and dilation above 1; adding the layer throws ShapeError unless the input is
// [H, W, C].
//
//   model.add(Conv2DTranspose({.filters = 8, .kernel_size = 3, .strides = 2, .padding = "same"}));
//
// Zeiler et al., 2010. Keras: keras.layers.Conv2DTranspose.
class Conv2DTranspose final : public Layer {
 public:
  explicit Conv2DTranspose(const Conv2DTransposeOptions& options);
  // From Keras' config, of which "filters" and "kernel_size" must be there; what is absent has the
  // default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const Conv2DTransposeOptions& options() const { return options_; }

  std::string class_name() const override { return "Conv2DTranspose"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Conv2DTranspose>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Conv2DTransposeOptions options_;
};

}  // namespace sluice
