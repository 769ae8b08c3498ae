// TensorflowOperations: windows on images.
#include <algorithm>

#include "core/check.h"
#include "formats/tensorflow_operations.h"

namespace sluice::formats {

using backend::Conv2DOp;
using backend::Pool2DOp;
using Type = TensorflowNodes::Type;
using Attribute = TensorflowNodes::Attribute;

namespace {

using Ints = TensorflowNodes::Ints;

bool is_same_padding(int64_t size, int64_t window, int64_t stride, int64_t before, int64_t after) {
  const int64_t count = (size + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((count - 1) * stride + window - size, 0);
  return before == total / 2 && after == total - total / 2;
}

Ints explicit_padding(const backend::Padding2D& padding) {
  return {0, 0, padding.top, padding.bottom, padding.left, padding.right, 0, 0};
}

// A kernel [h, w, ...] with its dilation's zeros in it: TensorFlow's kernels for the CPU do not
// know any in depthwise and transposed convolutions.
std::vector<float> inflated(std::span<const float> kernel, const Conv2DOp& conv) {
  const auto inner = kernel.size() / static_cast<size_t>(conv.kernel_h * conv.kernel_w);
  std::vector<float> result(inner * static_cast<size_t>(conv.extent_h() * conv.extent_w()), 0.0f);
  for (int64_t i = 0; i < conv.kernel_h; ++i) {
    for (int64_t j = 0; j < conv.kernel_w; ++j) {
      const auto from = static_cast<size_t>(i * conv.kernel_w + j) * inner;
      const int64_t to = i * conv.dilation_h * conv.extent_w() + j * conv.dilation_w;
      std::copy_n(kernel.begin() + static_cast<std::ptrdiff_t>(from), inner,
                  result.begin() + to * static_cast<int64_t>(inner));
    }
  }
  return result;
}

}  // namespace

std::string TensorflowOperations::padding_name(const Window& window, const Shape& image) {
  const backend::Padding2D& p = window.padding;
  if (p.top == 0 && p.bottom == 0 && p.left == 0 && p.right == 0) return "VALID";
  const bool same = is_same_padding(image[0], window.h, window.stride_h, p.top, p.bottom) &&
                    is_same_padding(image[1], window.w, window.stride_w, p.left, p.right);
  return same ? "SAME" : "EXPLICIT";
}

std::string TensorflowOperations::padded(const std::string& x, const backend::Padding2D& padding) {
  const Ints pads = explicit_padding(padding);
  if (std::ranges::all_of(pads, [](int64_t pad) { return pad == 0; })) return x;
  return nodes_.add_conversion("Pad", {x, nodes_.reshaped_integers({4, 2}, pads)},
                               {{"Tpaddings", Type::kInt32}});
}

std::string TensorflowOperations::value_of(const Op& op, const Conv2DOp& conv) {
  const Shape &image = input_shape(op), &y = output_shape(op);
  std::string result;
  if (conv.transposed) {
    result = transposed_convolution(op, conv);
  } else if (conv.groups > 1 && conv.groups == image[2]) {
    result = depthwise_convolution(op, conv);
  } else if (conv.groups > 1) {
    result = grouped_convolution(op, conv);
  } else {
    const Window window{conv.extent_h(), conv.extent_w(), conv.stride_h, conv.stride_w,
                        conv.padding};
    const std::string padding = padding_name(window, image);
    std::vector<Attribute> attributes{{"strides", Ints{1, conv.stride_h, conv.stride_w, 1}},
                                      {"padding", padding},
                                      {"dilations", Ints{1, conv.dilation_h, conv.dilation_w, 1}}};
    if (padding == "EXPLICIT") {
      attributes.push_back({"explicit_paddings", explicit_padding(conv.padding)});
    }
    result = nodes_.add_node(
        "Conv2D", {x(op), constant({conv.kernel_h, conv.kernel_w, image[2], y[2]}, conv.kernel)},
        attributes);
  }
  if (!conv.bias) return result;
  return nodes_.add_node("BiasAdd", {result, constant({y[2]}, *conv.bias)});
}

// One convolution for each group, since TensorFlow has none of groups for the CPU.
std::string TensorflowOperations::grouped_convolution(const Op& op, const Conv2DOp& conv) {
  const Shape &image = input_shape(op), &y = output_shape(op);
  const int64_t channels = image[2] / conv.groups, filters = y[2] / conv.groups;
  const std::string source = padded(x(op), conv.padding);
  // [h, w, channels, groups, filters], the groups first.
  const std::vector<float> kernels =
      transposed(model_.values_of(conv.kernel),
                 {conv.kernel_h, conv.kernel_w, channels, conv.groups, filters}, {3, 0, 1, 2, 4});
  const auto size = static_cast<size_t>(conv.kernel_h * conv.kernel_w * channels * filters);
  TensorflowNodes::Names parts;
  for (int64_t g = 0; g < conv.groups; ++g) {
    const std::string part = sliced(source, {0, 0, 0, g * channels}, {-1, -1, -1, channels});
    const std::string kernel =
        nodes_.floats({conv.kernel_h, conv.kernel_w, channels, filters},
                      std::span(kernels).subspan(static_cast<size_t>(g) * size, size));
    parts.push_back(
        nodes_.add_conversion("Conv2D", {part, kernel},
                              {{"strides", Ints{1, conv.stride_h, conv.stride_w, 1}},
                               {"padding", std::string("VALID")},
                               {"dilations", Ints{1, conv.dilation_h, conv.dilation_w, 1}}}));
  }
  parts.push_back(nodes_.integer(3));
  return nodes_.add_node("ConcatV2", parts, {{"N", conv.groups}, {"Tidx", Type::kInt32}});
}

// TensorFlow's strides are the same both ways: of others every so many of all windows are taken.
std::string TensorflowOperations::depthwise_convolution(const Op& op, const Conv2DOp& conv) {
  const int64_t channels = input_shape(op)[2], multiplier = output_shape(op)[2] / channels;
  const bool is_even = conv.stride_h == conv.stride_w;
  const std::string kernel = nodes_.floats({conv.extent_h(), conv.extent_w(), channels, multiplier},
                                           inflated(model_.values_of(conv.kernel), conv));
  const std::string y = nodes_.add_node(
      "DepthwiseConv2dNative", {padded(x(op), conv.padding), kernel},
      {{"strides", is_even ? Ints{1, conv.stride_h, conv.stride_w, 1} : Ints{1, 1, 1, 1}},
       {"padding", std::string("VALID")}});
  if (is_even) return y;
  return nodes_.add_node(
      "StridedSlice",
      {y, nodes_.integers({0, 0, 0, 0}), nodes_.integers({0, 0, 0, 0}),
       nodes_.integers({1, conv.stride_h, conv.stride_w, 1})},
      {{"Index", Type::kInt32}, {"begin_mask", int64_t{15}}, {"end_mask", int64_t{15}}});
}

std::string TensorflowOperations::transposed_convolution(const Op& op, const Conv2DOp& conv) {
  const Shape &image = input_shape(op), &y = output_shape(op);
  const std::string shape = nodes_.add_conversion("Shape", {x(op)}, {{"out_type", Type::kInt32}});
  const std::string batch =
      nodes_.add_conversion("Slice", {shape, nodes_.integers({0}), nodes_.integers({1})},
                            {{"T", Type::kInt32}, {"Index", Type::kInt32}});
  const std::string sizes =
      nodes_.add_conversion("ConcatV2", {batch, nodes_.integers(y.dims()), nodes_.integer(0)},
                            {{"N", int64_t{2}}, {"T", Type::kInt32}, {"Tidx", Type::kInt32}});
  const std::string kernel = nodes_.floats({conv.extent_h(), conv.extent_w(), y[2], image[2]},
                                           inflated(model_.values_of(conv.kernel), conv));
  const Window window{conv.extent_h(), conv.extent_w(), conv.stride_h, conv.stride_w, conv.padding};
  const std::string padding = padding_name(window, y);
  std::vector<Attribute> attributes{{"strides", Ints{1, conv.stride_h, conv.stride_w, 1}},
                                    {"padding", padding}};
  if (padding == "EXPLICIT") {
    attributes.push_back({"explicit_paddings", explicit_padding(conv.padding)});
  }
  return nodes_.add_node("Conv2DBackpropInput", {sizes, kernel, x(op)}, attributes);
}

std::string TensorflowOperations::value_of(const Op& op, const Pool2DOp& pool) {
  const Window window{pool.pool_h, pool.pool_w, pool.stride_h, pool.stride_w, pool.padding};
  const std::string padding = padding_name(window, input_shape(op));
  SLUICE_CHECK(padding != "EXPLICIT") << "no layer pools so";
  return nodes_.add_node(pool.kind == Pool2DOp::Kind::kMax ? "MaxPool" : "AvgPool", {x(op)},
                         {{"ksize", Ints{1, pool.pool_h, pool.pool_w, 1}},
                          {"strides", Ints{1, pool.stride_h, pool.stride_w, 1}},
                          {"padding", padding}});
}

}  // namespace sluice::formats
