#include <fmt/core.h>

#include <algorithm>

#include "formats/lowered_model.h"
#include "formats/onnx_import/operators.h"
#include "formats/onnx_import/windows.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

const OnnxTensor& kernel_of(const Importer& in, const OnnxNode& node, size_t rank) {
  const OnnxTensor& w = in.required_constant(node, 1, "the kernel");
  if (w.is_whole() || w.dims.size() != rank + 1 || (rank != 2 && rank != 3) || w.size() == 0) {
    fail(node, "Sluice has it of images and sequences, with a kernel of as many axes");
  }
  return w;
}

// Of [a, b, rows, columns], or without rows: [rows, columns, b, a], as Keras has both kernels.
std::vector<float> keras_kernel(const OnnxTensor& w, const Windows& windows) {
  const Ints dims{w.dims[0], w.dims[1], windows.kernel[0], windows.kernel[1]};
  return transposed(w.floats(), dims, {2, 3, 1, 0});
}

bool add_bias(Importer& in, const OnnxNode& node, const std::string& name) {
  if (!has_input(node, 2)) return false;
  in.set_weight(name + "/bias", in.floats(node, 2, "the bias"));
  return true;
}

// Where the windows of a transposed convolution put its output: without borders, Keras' layer
// gives all that they reach.
struct TransposedBorders {
  bool is_same = true;  // as Keras' padding "same" has it
  Ints out = Ints(2);
  Ints beyond = Ints(2);  // what reaches farther than the last window
};

TransposedBorders transposed_borders(const OnnxNode& node, const Windows& windows,
                                     const Ints& image) {
  const Ints sizes = of_image(image, 1);
  const Ints more = of_image(node.ints("output_padding", Ints(image.size(), 0)), 0);
  if (more.size() != 2) fail(node, "its attributes do not fit");
  TransposedBorders result;
  for (size_t k = 0; k < 2; ++k) {
    if (more[k] < 0 || more[k] > kMostPixels) fail(node, "a border is out of range");
    const int64_t grown = sizes[k] * windows.strides[k];
    result.out[k] = grown - windows.strides[k] + windows.extent(k) - windows.before[k] -
                    windows.after[k] + more[k];
    result.beyond[k] = more[k] - windows.after[k];
    const int64_t total = windows.same_total(grown, k);
    result.is_same &= result.out[k] == grown && windows.before[k] == total / 2;
    if (result.out[k] < 1) fail(node, "nothing is left");
  }
  return result;
}

}  // namespace

Value conv(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const size_t rank = x.dims.size();
  const OnnxTensor& w = kernel_of(in, node, rank);
  const int64_t groups = node.integer("group", 1), filters = w.dims[0], channels = x.dims[0];
  if (groups < 1 || groups > channels || w.dims[1] != channels / groups || channels % groups != 0 ||
      filters % groups != 0) {
    fail(node, "kernel, groups and channels do not fit");
  }
  const Ints sizes(x.dims.begin() + 1, x.dims.end());
  const Windows windows = windows_of(node, Ints(w.dims.begin() + 2, w.dims.end()), sizes);
  SymbolicTensor image = image_of(in, x, node);
  std::string padding = padding_of(windows, of_image(sizes, 1));
  const std::string name = in.layer_name(node);
  if (padding.empty()) {
    image = padded(in, image, windows, name);
    padding = "valid";
  }
  in.set_weight(name + "/kernel", keras_kernel(w, windows));
  const bool has_bias = add_bias(in, node, name);
  std::string output = node.outputs[0];
  const ActivationFunction f = absorbed_activation(in, node, rank, &output);
  SymbolicTensor y = image;
  if (groups > 1 && groups == channels) {
    y = DepthwiseConv2D({.kernel_size = size_of(windows.kernel),
                         .strides = size_of(windows.strides),
                         .padding = padding,
                         .depth_multiplier = filters / groups,
                         .dilation_rate = size_of(windows.dilations),
                         .activation = f,
                         .use_bias = has_bias,
                         .name = name})(image);
  } else {
    y = Conv2D({.filters = filters,
                .kernel_size = size_of(windows.kernel),
                .strides = size_of(windows.strides),
                .padding = padding,
                .dilation_rate = size_of(windows.dilations),
                .groups = groups,
                .activation = f,
                .use_bias = has_bias,
                .name = name})(image);
  }
  Value value = from_image(in, y, rank, node);
  value.is_positive = f.name == "relu" || f.name == "relu6" || f.name == "sigmoid";
  return in.finished(node, output, value);
}

Value conv_transpose(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const size_t rank = x.dims.size();
  const OnnxTensor& w = kernel_of(in, node, rank);
  if (w.dims[0] != x.dims[0] || node.integer("group", 1) != 1) {
    fail(node, "Sluice has it of one group, with a kernel for the input's channels");
  }
  if (node.has("output_shape") || node.text("auto_pad", "NOTSET") != "NOTSET") {
    fail(node, "Sluice reads it with pads only, without output_shape and auto_pad");
  }
  const Ints sizes(x.dims.begin() + 1, x.dims.end());
  const Windows windows = windows_of(node, Ints(w.dims.begin() + 2, w.dims.end()), sizes);
  const TransposedBorders borders = transposed_borders(node, windows, sizes);
  const std::string name = in.layer_name(node);
  in.set_weight(name + "/kernel", keras_kernel(w, windows));
  const bool has_bias = add_bias(in, node, name);
  std::optional<Size2D> output_padding;
  const auto& [is_same, out, beyond] = borders;
  if (!is_same && (beyond[0] > 0 || beyond[1] > 0)) {
    output_padding = Size2D(std::max<int64_t>(beyond[0], 0), std::max<int64_t>(beyond[1], 0));
  }
  std::string output = node.outputs[0];
  SymbolicTensor y = Conv2DTranspose({.filters = w.dims[1],
                                      .kernel_size = size_of(windows.kernel),
                                      .strides = size_of(windows.strides),
                                      .padding = is_same ? "same" : "valid",
                                      .output_padding = output_padding,
                                      .dilation_rate = size_of(windows.dilations),
                                      .activation = absorbed_activation(in, node, rank, &output),
                                      .use_bias = has_bias,
                                      .name = name})(image_of(in, x, node));
  const Border2D crop({windows.before[0], y.shape()[0] - windows.before[0] - out[0]},
                      {windows.before[1], y.shape()[1] - windows.before[1] - out[1]});
  if (!is_same && crop != Border2D(0)) {
    if (crop.h.after < 0 || crop.w.after < 0) fail(node, "output_padding reaches too far");
    y = Cropping2D({.cropping = crop, .name = in.layer_name(name + "_crop")})(y);
  }
  return in.finished(node, output, from_image(in, y, rank, node));
}

}  // namespace sluice::formats::onnx
