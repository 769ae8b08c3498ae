// OnnxImporter: windows on images.
#include <fmt/core.h>

#include <algorithm>

#include "formats/onnx_importer.h"
#include "sluice/layers.h"

namespace sluice::formats {
namespace {

using Ints = std::vector<int64_t>;

constexpr int64_t kMostPixels = int64_t{1} << 31;

// Rows and columns of what a file has for one axis or two.
Ints of_image(Ints sizes, int64_t otherwise) {
  if (sizes.size() == 1) sizes.insert(sizes.begin(), otherwise);
  return sizes;
}

int64_t extent(int64_t kernel, int64_t dilation) { return (kernel - 1) * dilation + 1; }

// What Keras' padding "same" puts before and after, together.
int64_t same_total(int64_t size, int64_t window, int64_t stride) {
  return std::max<int64_t>(((size + stride - 1) / stride - 1) * stride + window - size, 0);
}

// Of those after, what the last window needs.
int64_t needed_after(int64_t size, int64_t window, int64_t stride, int64_t before, int64_t after) {
  const int64_t windows = (size + before + after - window) / stride + 1;
  return std::max<int64_t>((windows - 1) * stride + window - size - before, 0);
}

}  // namespace

OnnxImporter::Windows OnnxImporter::windows_of(const OnnxNode& node, const Ints& kernel,
                                               const Ints& image) const {
  const size_t axes = kernel.size();
  Windows windows{.kernel = of_image(kernel, 1)};
  const Ints ones(axes, 1);
  windows.strides = of_image(node.ints("strides", ones), 1);
  windows.dilations = of_image(node.ints("dilations", ones), 1);
  const Ints pads = node.ints("pads", Ints(2 * axes, 0));
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  if (image.size() != axes || pads.size() != 2 * axes) fail(node, "its attributes do not fit");
  windows.before = of_image(Ints(pads.begin(), pads.begin() + static_cast<int64_t>(axes)), 0);
  windows.after = of_image(Ints(pads.begin() + static_cast<int64_t>(axes), pads.end()), 0);
  const Ints sizes = of_image(image, 1);
  for (const Ints* list : {&windows.kernel, &windows.strides, &windows.dilations}) {
    if (list->size() != 2) fail(node, "Sluice has it of one or two axes");
    for (const int64_t n : *list) {
      if (n < 1 || n > kMostPixels) fail(node, "a size is out of range");
    }
  }
  for (size_t k = 0; k < 2; ++k) {
    if (windows.dilations[k] > kMostPixels / windows.kernel[k]) fail(node, "it is too large");
    const int64_t window = extent(windows.kernel[k], windows.dilations[k]);
    int64_t &before = windows.before[k], &after = windows.after[k];
    if (before < 0 || after < 0 || before > kMostPixels || after > kMostPixels) {
      fail(node, "a border is out of range");
    }
    if (auto_pad == "VALID") before = after = 0;
    if (auto_pad.starts_with("SAME")) {
      const int64_t total = same_total(sizes[k], window, windows.strides[k]);
      before = auto_pad == "SAME_LOWER" ? total - total / 2 : total / 2;
      after = total - before;
    }
  }
  return windows;
}

std::string OnnxImporter::padding_of(const Windows& windows, const Ints& image) const {
  bool is_valid = true, is_same = true;
  for (size_t k = 0; k < 2; ++k) {
    const int64_t window = extent(windows.kernel[k], windows.dilations[k]);
    const int64_t stride = windows.strides[k], before = windows.before[k];
    if (image[k] + before + windows.after[k] < window) return "";  // the layer will say it
    const int64_t after = needed_after(image[k], window, stride, before, windows.after[k]);
    const int64_t total = same_total(image[k], window, stride);
    const int64_t count = (image[k] + before + windows.after[k] - window) / stride + 1;
    is_valid &= before == 0 && after == 0;
    is_same &= before == total / 2 && after == total - total / 2 &&
               count == (image[k] + stride - 1) / stride;
  }
  return is_valid ? "valid" : is_same ? "same" : "";
}

SymbolicTensor OnnxImporter::image_of(const Value& value, const OnnxNode& node) {
  const size_t rank = value.dims.size();
  if (rank != 2 && rank != 3) fail(node, "Sluice has it of images and sequences");
  const SymbolicTensor tensor = arranged(value, channels_last(rank), node);
  if (rank == 3) return tensor;
  const Shape shape = tensor.shape();
  return Reshape(
      {.target_shape = {1, shape[0], shape[1]}, .name = layer_name(node.name + "_image")})(tensor);
}

OnnxImporter::Value OnnxImporter::from_image(SymbolicTensor tensor, size_t rank,
                                             const OnnxNode& node) {
  Shape shape = tensor.shape();
  if (rank == 2) {
    tensor = Reshape({.target_shape = {shape[1], shape[2]},
                      .name = layer_name(node.name + "_sequence")})(tensor);
    return {.tensor = tensor, .dims = {shape[2], shape[1]}, .order = channels_last(2)};
  }
  return {.tensor = tensor, .dims = {shape[2], shape[0], shape[1]}, .order = channels_last(3)};
}

SymbolicTensor OnnxImporter::padded(SymbolicTensor image, const Windows& windows,
                                    const std::string& name) {
  const Border2D zeros({windows.before[0], windows.after[0]},
                       {windows.before[1], windows.after[1]});
  return ZeroPadding2D({.padding = zeros, .name = layer_name(name + "_pad")})(image);
}

OnnxImporter::Value OnnxImporter::conv(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const size_t rank = x.dims.size();
  const OnnxTensor& w = required_constant(node, 1, "the kernel");
  if (w.is_whole() || w.dims.size() != rank + 1 || (rank != 2 && rank != 3) || w.size() == 0) {
    fail(node, "Sluice has it of images and sequences, with a kernel of as many axes");
  }
  const int64_t groups = node.integer("group", 1), filters = w.dims[0];
  if (groups < 1 || groups > x.dims[0] || w.dims[1] != x.dims[0] / groups ||
      x.dims[0] % groups != 0 || filters % groups != 0) {
    fail(node, "kernel, groups and channels do not fit");
  }
  const Ints kernel(w.dims.begin() + 2, w.dims.end());
  const Ints image_dims(x.dims.begin() + 1, x.dims.end());
  const Windows windows = windows_of(node, kernel, image_dims);
  SymbolicTensor image = image_of(x, node);
  std::string padding = padding_of(windows, of_image(image_dims, 1));
  const std::string name = layer_name(node);
  if (padding.empty()) {
    image = padded(image, windows, name);
    padding = "valid";
  }
  const Ints dims{filters, w.dims[1], windows.kernel[0], windows.kernel[1]};
  set_weight(name + "/kernel", reordered(w.floats(), dims, {2, 3, 1, 0}));
  const bool has_bias = has_input(node, 2);
  if (has_bias) set_weight(name + "/bias", floats(node, 2, "the bias"));
  std::string output = node.outputs[0];
  const ActivationFunction f = absorbed_activation(node, rank, &output);
  const Size2D size(windows.kernel[0], windows.kernel[1]),
      strides(windows.strides[0], windows.strides[1]),
      dilations(windows.dilations[0], windows.dilations[1]);
  SymbolicTensor y = image;
  if (groups > 1 && groups == x.dims[0]) {
    y = DepthwiseConv2D({.kernel_size = size,
                         .strides = strides,
                         .padding = padding,
                         .depth_multiplier = filters / groups,
                         .dilation_rate = dilations,
                         .activation = f,
                         .use_bias = has_bias,
                         .name = name})(image);
  } else {
    y = Conv2D({.filters = filters,
                .kernel_size = size,
                .strides = strides,
                .padding = padding,
                .dilation_rate = dilations,
                .groups = groups,
                .activation = f,
                .use_bias = has_bias,
                .name = name})(image);
  }
  Value value = from_image(y, rank, node);
  value.is_positive = f.name == "relu" || f.name == "relu6" || f.name == "sigmoid";
  return finished(node, output, value);
}

OnnxImporter::Value OnnxImporter::conv_transpose(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const size_t rank = x.dims.size();
  const OnnxTensor& w = required_constant(node, 1, "the kernel");
  if (w.is_whole() || w.dims.size() != rank + 1 || (rank != 2 && rank != 3) || w.size() == 0 ||
      w.dims[0] != x.dims[0]) {
    fail(node, "Sluice has it of images and sequences, with a kernel that fits");
  }
  if (node.integer("group", 1) != 1) fail(node, "Sluice has it of one group");
  if (node.has("output_shape") || node.text("auto_pad", "NOTSET") != "NOTSET") {
    fail(node, "Sluice reads it with pads only, without output_shape and auto_pad");
  }
  const Ints image_dims(x.dims.begin() + 1, x.dims.end());
  const Windows windows = windows_of(node, Ints(w.dims.begin() + 2, w.dims.end()), image_dims);
  const Ints more = of_image(node.ints("output_padding", Ints(rank - 1, 0)), 0);
  const Ints sizes = of_image(image_dims, 1);
  if (more.size() != 2) fail(node, "its attributes do not fit");
  bool is_same = true;
  Ints out(2), beyond(2);
  for (size_t k = 0; k < 2; ++k) {
    if (more[k] < 0 || more[k] > kMostPixels) fail(node, "a border is out of range");
    const int64_t window = extent(windows.kernel[k], windows.dilations[k]);
    const int64_t grown = sizes[k] * windows.strides[k];
    out[k] = grown - windows.strides[k] + window - windows.before[k] - windows.after[k] + more[k];
    const int64_t total = same_total(grown, window, windows.strides[k]);
    is_same &= out[k] == grown && windows.before[k] == total / 2;
    beyond[k] = more[k] - windows.after[k];  // what reaches farther than the last window
    if (out[k] < 1) fail(node, "nothing is left");
  }
  const std::string name = layer_name(node);
  const int64_t filters = w.dims[1];
  const Ints dims{w.dims[0], filters, windows.kernel[0], windows.kernel[1]};
  set_weight(name + "/kernel", reordered(w.floats(), dims, {2, 3, 1, 0}));
  const bool has_bias = has_input(node, 2);
  if (has_bias) set_weight(name + "/bias", floats(node, 2, "the bias"));
  std::string output = node.outputs[0];
  std::optional<Size2D> output_padding;
  if (!is_same && (beyond[0] > 0 || beyond[1] > 0)) {
    output_padding = Size2D(std::max<int64_t>(beyond[0], 0), std::max<int64_t>(beyond[1], 0));
  }
  SymbolicTensor y =
      Conv2DTranspose({.filters = filters,
                       .kernel_size = Size2D(windows.kernel[0], windows.kernel[1]),
                       .strides = Size2D(windows.strides[0], windows.strides[1]),
                       .padding = is_same ? "same" : "valid",
                       .output_padding = output_padding,
                       .dilation_rate = Size2D(windows.dilations[0], windows.dilations[1]),
                       .activation = absorbed_activation(node, rank, &output),
                       .use_bias = has_bias,
                       .name = name})(image_of(x, node));
  const Shape got = y.shape();
  const Border2D crop({windows.before[0], got[0] - windows.before[0] - out[0]},
                      {windows.before[1], got[1] - windows.before[1] - out[1]});
  if (!is_same && crop != Border2D(0)) {
    if (crop.h.after < 0 || crop.w.after < 0) fail(node, "output_padding reaches too far");
    y = Cropping2D({.cropping = crop, .name = layer_name(name + "_crop")})(y);
  }
  return finished(node, output, from_image(y, rank, node));
}

// Of a maximum the border is -infinity, which no layer puts there: all windows are taken, with
// steps of 1 and Keras' border, and every so many of them kept.
SymbolicTensor OnnxImporter::max_pool_with_border(const OnnxNode& node, SymbolicTensor image,
                                                  const Windows& windows, const Ints& counts) {
  const std::string name = layer_name(node);
  const Shape shape = image.shape();
  Ints front(2), behind(2);
  for (size_t k = 0; k < 2; ++k) {
    front[k] = (windows.kernel[k] - 1) / 2 - windows.before[k];
    const int64_t last = (counts[k] - 1) * windows.strides[k] + front[k];
    behind[k] = shape[static_cast<int>(k)] - 1 - last;
    if (front[k] < 0 || behind[k] < 0) fail(node, "its border is wider than half of its window");
  }
  SymbolicTensor y = MaxPooling2D({.pool_size = Size2D(windows.kernel[0], windows.kernel[1]),
                                   .strides = 1,
                                   .padding = "same",
                                   .name = name})(image);
  const Border2D crop({front[0], behind[0]}, {front[1], behind[1]});
  if (crop != Border2D(0)) {
    y = Cropping2D({.cropping = crop, .name = layer_name(name + "_crop")})(y);
  }
  const Size2D strides(windows.strides[0], windows.strides[1]);
  if (strides == Size2D(1)) return y;
  return MaxPooling2D({.pool_size = 1, .strides = strides, .name = layer_name(name + "_strides")})(
      y);
}

OnnxImporter::Value OnnxImporter::pool(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const size_t rank = x.dims.size();
  const bool is_max = node.op_type == "MaxPool";
  if (node.outputs.size() > 1 && !node.outputs[1].empty()) fail(node, "Sluice gives no indices");
  if (rank != 2 && rank != 3) fail(node, "Sluice has it of images and sequences");
  const Ints image_dims(x.dims.begin() + 1, x.dims.end()), sizes = of_image(image_dims, 1);
  Windows windows = windows_of(node, node.ints("kernel_shape", {}), image_dims);
  if (windows.dilations != Ints{1, 1}) fail(node, "Sluice has it without dilations");
  Ints counts(2);
  bool reaches_out = false;
  for (size_t k = 0; k < 2; ++k) {
    const int64_t stride = windows.strides[k], window = windows.kernel[k];
    const int64_t room = sizes[k] + windows.before[k] + windows.after[k] - window;
    if (room < 0) fail(node, "its window is larger than the image");
    const bool rounds_up = node.integer("ceil_mode", 0) != 0;
    counts[k] = (rounds_up ? (room + stride - 1) / stride : room / stride) + 1;
    // A window begins in the image, or in front of it.
    if (rounds_up && (counts[k] - 1) * stride >= sizes[k] + windows.before[k]) --counts[k];
    const int64_t after = (counts[k] - 1) * stride + window - sizes[k] - windows.before[k];
    reaches_out |= after > windows.after[k];
    windows.after[k] = std::max<int64_t>(after, 0);
  }
  SymbolicTensor image = image_of(x, node);
  std::string padding = padding_of(windows, sizes);
  const bool counts_border = !is_max && node.integer("count_include_pad", 0) != 0;
  if (counts_border && reaches_out) fail(node, "Sluice has ceil_mode without count_include_pad");
  if (counts_border && padding == "same") padding.clear();
  if (padding.empty() && is_max && !x.is_positive) {
    const SymbolicTensor y = max_pool_with_border(node, image, windows, counts);
    return from_image(y, rank, node);
  }
  const std::string name = layer_name(node);
  if (padding.empty()) {
    if (!is_max && !counts_border) {
      fail(node, "Sluice has no mean over windows with such a border that is not counted");
    }
    image = padded(image, windows, name);
    padding = "valid";
  }
  const Pooling2DOptions options{.pool_size = Size2D(windows.kernel[0], windows.kernel[1]),
                                 .strides = Size2D(windows.strides[0], windows.strides[1]),
                                 .padding = padding,
                                 .name = name};
  Value y = from_image(is_max ? MaxPooling2D(options)(image) : AveragePooling2D(options)(image),
                       rank, node);
  y.is_positive = x.is_positive;
  return y;
}

OnnxImporter::Value OnnxImporter::pooled_over(const OnnxNode& node, const Value& x,
                                              const std::set<size_t>& axes, bool is_max,
                                              bool keeps) {
  const size_t rank = x.dims.size();
  if ((rank != 2 && rank != 3) || axes.size() != rank - 1) {
    fail(node, "Sluice has it over all axes but one, of images and sequences");
  }
  // The axis that stays comes last, the others before it.
  Order order(rank);
  Ints dims = x.dims;
  int next = 0;
  size_t kept = 0;
  for (size_t k = 0; k < rank; ++k) {
    if (axes.contains(k)) {
      order[k] = next++;
      dims[k] = 1;
    } else {
      order[k] = static_cast<int>(rank) - 1;
      kept = k;
    }
  }
  // As they lie, where that is so already.
  if (x.order[kept] == static_cast<int>(rank) - 1) order = x.order;
  const SymbolicTensor tensor = arranged(x, order, node);
  const std::string name = layer_name(node);
  const auto pooling = [&](bool keepdims, const std::string& layer) {
    const GlobalPoolingOptions options{.keepdims = keepdims, .name = layer};
    if (rank == 3) {
      return is_max ? GlobalMaxPooling2D(options)(tensor) : GlobalAveragePooling2D(options)(tensor);
    }
    return is_max ? GlobalMaxPooling1D(options)(tensor) : GlobalAveragePooling1D(options)(tensor);
  };
  const SymbolicTensor row = pooling(false, name);
  if (!keeps) {
    return {.tensor = row, .dims = {x.dims[kept]}, .order = {0}, .is_positive = x.is_positive};
  }
  return {.tensor = pooling(true, layer_name(name + "_image")),
          .dims = dims,
          .order = order,
          .pooled = row,
          .is_positive = x.is_positive};
}

OnnxImporter::Value OnnxImporter::global_pool(const OnnxNode& node) {
  const Value x = operand(node, 0);
  std::set<size_t> axes;
  for (size_t k = 1; k < x.dims.size(); ++k) axes.insert(k);
  return pooled_over(node, x, axes, node.op_type == "GlobalMaxPool", true);
}

OnnxImporter::Value OnnxImporter::reduce_mean(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const auto rank = static_cast<int64_t>(x.dims.size()) + 1;
  std::set<size_t> axes;
  for (const int64_t axis : ints_of(node, "axes", 1).value_or(Ints())) {
    const int64_t place = axis < 0 ? axis + rank : axis;
    if (place < 1 || place >= rank) fail(node, "an axis is the batch, or not there");
    axes.insert(static_cast<size_t>(place - 1));
  }
  return pooled_over(node, x, axes, false, node.integer("keepdims", 1) != 0);
}

}  // namespace sluice::formats
