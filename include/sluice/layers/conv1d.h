#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/activations.h"
#include "sluice/layer.h"

namespace sluice {

// The convolutions of sequences: those of images with one row. Letters: L the sequence's length.

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct Conv1DOptions {
  int64_t filters = 0;            // channels of the output; required
  int64_t kernel_size = 0;        // k, in steps of the sequence; required
  int64_t strides = 1;            // s, from one window to the next
  std::string padding = "valid";  // or "same" or "causal", see below
  int64_t dilation_rate = 1;      // d, from one step of a window to the next
  int64_t groups = 1;             // in which channels and filters are connected; see Conv2D
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
  std::string name = {};                  // empty: conv1d, conv1d_1, ...
};

// 1D convolution (cross-correlation, the kernel is not flipped), bias, activation.
//
//   y[n, l, f] = activation(b[f] + sum over i, c of x[n, l s + i d - before, c] W[i, c, f])
//
//   x [N, L, C]           kernel W [k, C / groups, filters]
//   y [N, L', filters]    bias b   [filters]
//
// L' and `before` for "valid" and "same" as in Conv2D along one axis. "causal": L' = ceil(L / s),
// all padding, (k - 1) d zeros, comes before, so that y depends on nothing later.
//
// The constructor throws std::invalid_argument for options out of range, for both strides and
// dilation above 1, and for filters that do not go into the groups; adding the layer throws
// ShapeError unless the input is [L, C], C goes into the groups, and, for "valid", the sequence is
// at least as long as a window.
//
//   model.add(Conv1D({.filters = 32, .kernel_size = 3, .padding = "causal", .dilation_rate = 2}));
//
// Keras: keras.layers.Conv1D.
class Conv1D final : public Layer {
 public:
  explicit Conv1D(const Conv1DOptions& options);
  // From Keras' config, of which "filters" and "kernel_size" must be there; what is absent has the
  // default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const Conv1DOptions& options() const { return options_; }

  std::string class_name() const override { return "Conv1D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Conv1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Conv1DOptions options_;
};

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct DepthwiseConv1DOptions {
  int64_t kernel_size = 0;                   // k, in steps of the sequence; required
  int64_t strides = 1;                       // s, from one window to the next
  std::string padding = "valid";             // or "same"; as in Conv1D
  int64_t depth_multiplier = 1;              // M, outputs for each channel
  int64_t dilation_rate = 1;                 // d, from one step of a window to the next
  ActivationFunction activation = "linear";  // what is applied to the output
  bool use_bias = true;                      // without it there is no b
  // How weights are drawn.
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  // Penalties, and what weights are held to; see sluice/regularizers.h and constraints.h. Empty:
  // none.
  std::string depthwise_regularizer = {};
  std::string bias_regularizer = {};
  std::string depthwise_constraint = {};
  std::string bias_constraint = {};
  std::string activity_regularizer = {};  // a penalty of the outputs
  std::string name = {};                  // empty: depthwise_conv1d, depthwise_conv1d_1, ...
};

// Convolution of each channel by itself, bias, activation; errors as Conv1D's.
//
//   y[n, l, c M + m] = activation(b[c M + m] + sum over i of x[n, l s + i d - before, c] W[i, c,
//   m])
//
//   x [N, L, C]       kernel W [k, C, M]
//   y [N, L', C M]    bias b   [C M]
//
// Keras: keras.layers.DepthwiseConv1D.
class DepthwiseConv1D final : public Layer {
 public:
  explicit DepthwiseConv1D(const DepthwiseConv1DOptions& options);
  // From Keras' config, of which "kernel_size" must be there; what is absent has the default.
  // Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const DepthwiseConv1DOptions& options() const { return options_; }

  std::string class_name() const override { return "DepthwiseConv1D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<DepthwiseConv1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  DepthwiseConv1DOptions options_;
};

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct SeparableConv1DOptions {
  int64_t filters = 0;                       // channels of the output; required
  int64_t kernel_size = 0;                   // k, in steps of the sequence; required
  int64_t strides = 1;                       // from one window to the next
  std::string padding = "valid";             // or "same"; as in Conv1D
  int64_t dilation_rate = 1;                 // from one step of a window to the next
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
  std::string name = {};                  // empty: separable_conv1d, separable_conv1d_1, ...
};

// A depthwise convolution without bias or activation, and a convolution of one step of what it
// gives, as SeparableConv2D; errors as Conv1D's.
//
//   x [N, L, C]           depthwise_kernel [k, C, M]
//   y [N, L', filters]    pointwise_kernel [1, C M, filters]
//                         bias             [filters]
//
// Keras: keras.layers.SeparableConv1D.
class SeparableConv1D final : public Layer {
 public:
  explicit SeparableConv1D(const SeparableConv1DOptions& options);
  // From Keras' config, of which "filters" and "kernel_size" must be there; what is absent has the
  // default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const SeparableConv1DOptions& options() const { return options_; }

  std::string class_name() const override { return "SeparableConv1D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<SeparableConv1D>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  SeparableConv1DOptions options_;
};

// Keras' arguments with Keras' defaults. Sizes are from 1 to 2^31 - 1.
struct Conv1DTransposeOptions {
  int64_t filters = 0;                         // channels of the output; required
  int64_t kernel_size = 0;                     // k, in steps of the sequence; required
  int64_t strides = 1;                         // s, from one step's window to the next one's
  std::string padding = "valid";               // or "same"; as in Conv2DTranspose
  std::optional<int64_t> output_padding = {};  // from 0 to strides - 1; as there
  int64_t dilation_rate = 1;                   // d, from one step of a window to the next
  ActivationFunction activation = "linear";    // what is applied to the output
  bool use_bias = true;                        // without it there is no b
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
  std::string name = {};                  // empty: conv1d_transpose, conv1d_transpose_1, ...
};

// Transposed convolution, bias, activation: Conv2DTranspose along one axis, with its rules for L'
// and its errors.
//
//   y[n, l s + i d - before, f] = activation(b[f] + sum of all x[n, l, c] W[i, f, c] that meet
//   there)
//
//   x [N, L, C]           kernel W [k, filters, C]
//   y [N, L', filters]    bias b   [filters]
//
// Keras: keras.layers.Conv1DTranspose.
class Conv1DTranspose final : public Layer {
 public:
  explicit Conv1DTranspose(const Conv1DTransposeOptions& options);
  // From Keras' config, of which "filters" and "kernel_size" must be there; what is absent has the
  // default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given, initializers by their Keras names.
  const Conv1DTransposeOptions& options() const { return options_; }

  std::string class_name() const override { return "Conv1DTranspose"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Conv1DTranspose>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Conv1DTransposeOptions options_;
};

}  // namespace sluice
