// What the convolution layers have in common, of images and of sequences. `Options` is that of any
// of them, Conv2DOptions or DepthwiseConv1DOptions.
#pragma once

#include <fmt/core.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/arguments.h"
#include "nn/kernel_layer.h"
#include "nn/window2d.h"

namespace sluice::nn {

template <typename Options>
int rank_of(const Options&) {
  return std::is_same_v<decltype(Options::kernel_size), Size2D> ? 2 : 1;
}

template <typename Options>
Windows2D windows_of(const Options& options) {
  return {rank_of(options), size2d(options.kernel_size), size2d(options.strides), options.padding,
          size2d(options.dilation_rate)};
}

// Checks everything but the padding. Throws std::invalid_argument.
template <typename Options>
void check_convolution(const char* layer_class, Options& options) {
  if constexpr (requires { options.filters; }) {
    require_size({layer_class, "filters"}, options.filters);
  }
  require_size({layer_class, "kernel_size"}, options.kernel_size);
  require_size({layer_class, "strides"}, options.strides);
  require_size({layer_class, "dilation_rate"}, options.dilation_rate);
  if (size2d(options.strides) != Size2D(1) && size2d(options.dilation_rate) != Size2D(1)) {
    throw std::invalid_argument(std::string(layer_class) +
                                ": strides or dilation_rate above 1, not both");
  }
  if constexpr (requires { options.depth_multiplier; }) {
    require_size({layer_class, "depth_multiplier"}, options.depth_multiplier);
  }
  check_kernel_options(layer_class, options);
}

// From Keras' config; what is absent has the default. Throws std::invalid_argument where that is
// not enough.
template <typename Options>
Options read_convolution(const Config& config) {
  Options options;
  if constexpr (requires { options.filters; }) {
    require_keys(config, {"filters"});
    options.filters = config.get_int("filters", 0);
  }
  require_keys(config, {"kernel_size"});
  options.kernel_size = get_size(config, "kernel_size", options.kernel_size);
  options.strides = get_size(config, "strides", options.strides);
  options.padding = config.get_string("padding", options.padding);
  if constexpr (requires { options.output_padding; }) {
    decltype(options.kernel_size) more = 0;
    if (config.has("output_padding")) {
      options.output_padding = get_size(config, "output_padding", more);
    }
  }
  options.dilation_rate = get_size(config, "dilation_rate", options.dilation_rate);
  if constexpr (requires { options.groups; }) {
    options.groups = config.get_int("groups", options.groups);
  }
  if constexpr (requires { options.depth_multiplier; }) {
    options.depth_multiplier = config.get_int("depth_multiplier", options.depth_multiplier);
  }
  read_kernel_options(config, options);
  return options;
}

template <typename Options>
Config write_convolution(const Options& options) {
  Config config;
  if constexpr (requires { options.filters; }) config.set("filters", options.filters);
  config.set("kernel_size", to_list(options.kernel_size))
      .set("strides", to_list(options.strides))
      .set("padding", options.padding);
  if constexpr (requires { options.output_padding; }) {
    config.set("output_padding", options.output_padding
                                     ? ConfigValue(to_list(*options.output_padding))
                                     : ConfigValue());
  }
  config.set("data_format", "channels_last").set("dilation_rate", to_list(options.dilation_rate));
  if constexpr (requires { options.groups; }) config.set("groups", options.groups);
  if constexpr (requires { options.depth_multiplier; }) {
    config.set("depth_multiplier", options.depth_multiplier);
  }
  return write_kernel_options(std::move(config), options);
}

// [kernel_size..., in, out]
template <typename Options>
Shape kernel_shape(const Options& options, int64_t in, int64_t out) {
  std::vector<int64_t> sizes = to_list(options.kernel_size);
  sizes.push_back(in);
  sizes.push_back(out);
  return Shape(std::move(sizes));
}

inline void require_groups(const char* layer_class, int64_t groups, int64_t filters) {
  require_size({layer_class, "groups"}, groups);
  if (filters % groups == 0) return;
  throw std::invalid_argument(
      fmt::format("{}: groups = {}: must divide the filters, {}", layer_class, groups, filters));
}

template <typename Options>
void require_output_padding(const char* layer_class, const Options& options) {
  if (!options.output_padding) return;
  const Size2D strides = size2d(options.strides), more = size2d(*options.output_padding);
  const auto below = [](int64_t n, int64_t stride) { return n >= 0 && n < stride; };
  // A sequence has one row, which its number says nothing of.
  if ((rank_of(options) == 1 || below(more.h, strides.h)) && below(more.w, strides.w)) return;
  throw std::invalid_argument(fmt::format(
      "{}: output_padding = {}: must be at least 0 and less than the strides", layer_class,
      rank_of(options) == 1 ? fmt::format("{}", more.w) : fmt::format("{} x {}", more.h, more.w)));
}

template <typename LayerType>
Shape input_image(const LayerType& layer, const Shape& input) {
  return as_image(layer, input, rank_of(layer.options()));
}

// In one group; its kernel and bias have no place yet.
template <typename Options>
backend::Conv2DOp convolution_with(const Options& options, const backend::Padding2D& padding) {
  const Windows2D windows = windows_of(options);
  return {.kernel_h = windows.size.h,
          .kernel_w = windows.size.w,
          .stride_h = windows.strides.h,
          .stride_w = windows.strides.w,
          .padding = padding,
          .dilation_h = windows.dilation.h,
          .dilation_w = windows.dilation.w};
}

// The same where the windows slide over the layer's input.
template <typename LayerType>
backend::Conv2DOp convolution_over(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  return convolution_with(options, window_padding(windows_of(options), input_image(layer, input)));
}

// Appends the layer's last convolution, with its bias and activation.
template <typename LayerType>
void append_convolution(GraphBuilder& builder, const LayerType& layer, backend::Conv2DOp op,
                        const Shape& output) {
  if (layer.options().use_bias) op.bias = builder.parameter("bias");
  append_on_images(builder, layer, rank_of(layer.options()), op, output);
  append_kernel_activation(builder, layer);
}

// --- Conv1D, Conv2D ---

template <typename LayerType>
Shape convolution_output(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  const int64_t channels = input_image(layer, input)[2];
  if (channels % options.groups != 0) {
    throw_shape_error(layer, fmt::format("channels that go into {} groups", options.groups), input);
  }
  return window_output(layer, windows_of(options), input, options.filters);
}

template <typename LayerType>
std::vector<WeightSpec> convolution_weights(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  const int64_t channels = input_image(layer, input)[2] / options.groups;
  return with_bias(
      {weight_of(options, "kernel", "kernel", kernel_shape(options, channels, options.filters))},
      options, options.filters);
}

template <typename LayerType>
void lower_convolution(GraphBuilder& builder, const LayerType& layer) {
  backend::Conv2DOp op = convolution_over(layer, builder.shape());
  op.groups = layer.options().groups;
  op.kernel = builder.parameter("kernel");
  append_convolution(builder, layer, op, layer.output_shape(builder.shape()));
}

// --- DepthwiseConv1D, DepthwiseConv2D: a group for each channel ---

// Also what the first half of a separable convolution gives.
template <typename LayerType>
Shape depthwise_output(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  return window_output(layer, windows_of(options), input,
                       input_image(layer, input)[2] * options.depth_multiplier);
}

template <typename LayerType>
std::vector<WeightSpec> depthwise_weights(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  const int64_t channels = input_image(layer, input)[2];
  return with_bias({weight_of(options, "depthwise", "kernel",
                              kernel_shape(options, channels, options.depth_multiplier))},
                   options, channels * options.depth_multiplier);
}

template <typename LayerType>
void lower_depthwise(GraphBuilder& builder, const LayerType& layer) {
  backend::Conv2DOp op = convolution_over(layer, builder.shape());
  op.groups = input_image(layer, builder.shape())[2];
  op.kernel = builder.parameter("kernel");
  append_convolution(builder, layer, op, layer.output_shape(builder.shape()));
}

// --- SeparableConv1D, SeparableConv2D ---

template <typename LayerType>
Shape separable_output(const LayerType& layer, const Shape& input) {
  std::vector<int64_t> sizes = depthwise_output(layer, input).dims();
  sizes.back() = layer.options().filters;
  return Shape(std::move(sizes));
}

template <typename LayerType>
std::vector<WeightSpec> separable_weights(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  const int64_t channels = input_image(layer, input)[2];
  auto pointwise = options;
  pointwise.kernel_size = 1;
  return with_bias(
      {weight_of(options, "depthwise", "depthwise_kernel",
                 kernel_shape(options, channels, options.depth_multiplier)),
       weight_of(options, "pointwise", "pointwise_kernel",
                 kernel_shape(pointwise, channels * options.depth_multiplier, options.filters))},
      options, options.filters);
}

template <typename LayerType>
void lower_separable(GraphBuilder& builder, const LayerType& layer) {
  const Shape output = layer.output_shape(builder.shape());
  backend::Conv2DOp depthwise = convolution_over(layer, builder.shape());
  depthwise.groups = input_image(layer, builder.shape())[2];
  depthwise.kernel = builder.parameter("depthwise_kernel");
  append_on_images(builder, layer, rank_of(layer.options()), depthwise,
                   depthwise_output(layer, builder.shape()));
  append_convolution(builder, layer, {.kernel = builder.parameter("pointwise_kernel")}, output);
}

// --- Conv1DTranspose, Conv2DTranspose: the windows slide over the output ---

// The output as an image, and the padding around it.
struct TransposedImage {
  Shape shape;
  backend::Padding2D padding;
};
template <typename LayerType>
TransposedImage transposed_image(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  const Windows2D windows = windows_of(options);
  const Shape image = input_image(layer, input);
  std::optional<int64_t> more_h, more_w;
  if (options.output_padding) {
    if (windows.rank == 2) more_h = size2d(*options.output_padding).h;
    more_w = size2d(*options.output_padding).w;
  }
  const Size2D extent = windows.extent(), &strides = windows.strides;
  const CellAxis h = place_cells(image[0], extent.h, strides.h, windows.padding, more_h);
  const CellAxis w = place_cells(image[1], extent.w, strides.w, windows.padding, more_w);
  return {{h.cells, w.cells, options.filters}, {h.before, h.after, w.before, w.after}};
}

template <typename LayerType>
Shape transposed_output(const LayerType& layer, const Shape& input) {
  return from_image(transposed_image(layer, input).shape, rank_of(layer.options()));
}

template <typename LayerType>
std::vector<WeightSpec> transposed_weights(const LayerType& layer, const Shape& input) {
  const auto& options = layer.options();
  const int64_t channels = input_image(layer, input)[2];
  return with_bias(
      {weight_of(options, "kernel", "kernel", kernel_shape(options, options.filters, channels))},
      options, options.filters);
}

template <typename LayerType>
void lower_transposed(GraphBuilder& builder, const LayerType& layer) {
  backend::Conv2DOp op =
      convolution_with(layer.options(), transposed_image(layer, builder.shape()).padding);
  op.transposed = true;
  op.kernel = builder.parameter("kernel");
  append_convolution(builder, layer, op, layer.output_shape(builder.shape()));
}

}  // namespace sluice::nn
