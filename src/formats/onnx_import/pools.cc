#include <algorithm>
#include <set>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "formats/onnx_import/windows.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

// How many windows there are along each axis. Their zeros become those that the last one needs;
// `reaches_out`: that is more than there were, as ceil_mode allows.
Ints count_windows(const OnnxNode& node, const Ints& sizes, Windows* windows, bool* reaches_out) {
  const bool rounds_up = node.integer("ceil_mode", 0) != 0;
  Ints counts(2);
  for (size_t k = 0; k < 2; ++k) {
    const int64_t stride = windows->strides[k], window = windows->kernel[k];
    const int64_t size = sizes[k] + windows->before[k];
    const int64_t room = size + windows->after[k] - window;
    if (room < 0) fail(node, "its window is larger than the image");
    counts[k] = (rounds_up ? (room + stride - 1) / stride : room / stride) + 1;
    // A window begins in the image, or in front of it.
    if (rounds_up && (counts[k] - 1) * stride >= size) --counts[k];
    const int64_t after = (counts[k] - 1) * stride + window - size;
    *reaches_out |= after > windows->after[k];
    windows->after[k] = std::max<int64_t>(after, 0);
  }
  return counts;
}

// Of a maximum the border is -infinity, which no layer puts there: all windows are taken, with
// steps of 1 and Keras' border, and every so many of them kept.
SymbolicTensor max_pool_with_border(Importer& in, const OnnxNode& node, const SymbolicTensor& image,
                                    const Windows& windows, const Ints& counts) {
  const std::string name = in.layer_name(node);
  const Shape shape = image.shape();
  Ints front(2), behind(2);
  for (size_t k = 0; k < 2; ++k) {
    front[k] = (windows.kernel[k] - 1) / 2 - windows.before[k];
    const int64_t last = (counts[k] - 1) * windows.strides[k] + front[k];
    behind[k] = shape[static_cast<int>(k)] - 1 - last;
    if (front[k] < 0 || behind[k] < 0) fail(node, "its border is wider than half of its window");
  }
  SymbolicTensor y = MaxPooling2D(
      {.pool_size = size_of(windows.kernel), .strides = 1, .padding = "same", .name = name})(image);
  const Border2D crop({front[0], behind[0]}, {front[1], behind[1]});
  if (crop != Border2D(0)) {
    y = Cropping2D({.cropping = crop, .name = in.layer_name(name + "_crop")})(y);
  }
  if (windows.strides == Ints{1, 1}) return y;
  return MaxPooling2D({.pool_size = 1,
                       .strides = size_of(windows.strides),
                       .name = in.layer_name(name + "_strides")})(y);
}

Value pooled_over(Importer& in, const OnnxNode& node, const Value& x, const std::set<size_t>& axes,
                  bool is_max, bool keeps) {
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
    const bool stays = !axes.contains(k);
    order[k] = stays ? static_cast<int>(rank) - 1 : next++;
    if (stays) kept = k;
    if (!stays) dims[k] = 1;
  }
  // As they lie, where that is so already.
  if (x.order[kept] == static_cast<int>(rank) - 1) order = x.order;
  const SymbolicTensor tensor = arranged(in, x, order, node);
  const std::string name = in.layer_name(node);
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
  return {.tensor = pooling(true, in.layer_name(name + "_image")),
          .dims = dims,
          .order = order,
          .pooled = row,
          .is_positive = x.is_positive};
}

}  // namespace

Value pool(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const size_t rank = x.dims.size();
  const bool is_max = node.op_type == "MaxPool";
  if (node.outputs.size() > 1 && !node.outputs[1].empty()) fail(node, "Sluice gives no indices");
  if (rank != 2 && rank != 3) fail(node, "Sluice has it of images and sequences");
  const Ints axes(x.dims.begin() + 1, x.dims.end()), sizes = of_image(axes, 1);
  Windows windows = windows_of(node, node.ints("kernel_shape", {}), axes);
  if (windows.dilations != Ints{1, 1}) fail(node, "Sluice has it without dilations");
  bool reaches_out = false;
  const Ints counts = count_windows(node, sizes, &windows, &reaches_out);
  const bool counts_border = !is_max && node.integer("count_include_pad", 0) != 0;
  if (counts_border && reaches_out) fail(node, "Sluice has ceil_mode without count_include_pad");
  SymbolicTensor image = image_of(in, x, node);
  std::string padding = padding_of(windows, sizes);
  if (counts_border && padding == "same") padding.clear();
  if (padding.empty() && is_max && !x.is_positive) {
    return from_image(in, max_pool_with_border(in, node, image, windows, counts), rank, node);
  }
  const std::string name = in.layer_name(node);
  if (padding.empty()) {
    if (!is_max && !counts_border) {
      fail(node, "Sluice has no mean over windows with such a border that is not counted");
    }
    image = padded(in, image, windows, name);
    padding = "valid";
  }
  const Pooling2DOptions options{.pool_size = size_of(windows.kernel),
                                 .strides = size_of(windows.strides),
                                 .padding = padding,
                                 .name = name};
  Value y = from_image(in, is_max ? MaxPooling2D(options)(image) : AveragePooling2D(options)(image),
                       rank, node);
  y.is_positive = x.is_positive;
  return y;
}

Value global_pool(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  std::set<size_t> axes;
  for (size_t k = 1; k < x.dims.size(); ++k) axes.insert(k);
  return pooled_over(in, node, x, axes, node.op_type == "GlobalMaxPool", true);
}

Value reduce_mean(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  std::set<size_t> axes;
  for (const int64_t axis : in.ints_of(node, "axes", 1).value_or(Ints())) {
    axes.insert(axis_of(node, axis, x.dims.size()));
  }
  return pooled_over(in, node, x, axes, false, node.integer("keepdims", 1) != 0);
}

}  // namespace sluice::formats::onnx
