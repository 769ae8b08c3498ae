#include "formats/onnx_import/windows.h"

#include <algorithm>

#include "formats/onnx_import/layout.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

void check_sizes(const Windows& windows, const OnnxNode& node) {
  for (const Ints* list : {&windows.kernel, &windows.strides, &windows.dilations}) {
    if (list->size() != 2) fail(node, "Sluice has it of one or two axes");
    for (const int64_t n : *list) {
      if (n < 1 || n > kMostPixels) fail(node, "a size is out of range");
    }
  }
  for (size_t k = 0; k < 2; ++k) {
    if (windows.dilations[k] > kMostPixels / windows.kernel[k]) fail(node, "it is too large");
    for (const int64_t border : {windows.before[k], windows.after[k]}) {
      if (border < 0 || border > kMostPixels) fail(node, "a border is out of range");
    }
  }
}

}  // namespace

Ints of_image(Ints sizes, int64_t otherwise) {
  if (sizes.size() == 1) sizes.insert(sizes.begin(), otherwise);
  return sizes;
}

Size2D size_of(const Ints& sizes) { return Size2D(sizes[0], sizes[1]); }

int64_t Windows::same_total(int64_t size, size_t axis) const {
  const int64_t stride = strides[axis], count = (size + stride - 1) / stride;
  return std::max<int64_t>((count - 1) * stride + extent(axis) - size, 0);
}

Windows windows_of(const OnnxNode& node, const Ints& kernel, const Ints& image) {
  const size_t axes = kernel.size();
  const Ints ones(axes, 1), pads = node.ints("pads", Ints(2 * axes, 0));
  if (image.size() != axes || pads.size() != 2 * axes) fail(node, "its attributes do not fit");
  const auto middle = pads.begin() + static_cast<int64_t>(axes);
  Windows windows{.kernel = of_image(kernel, 1),
                  .strides = of_image(node.ints("strides", ones), 1),
                  .dilations = of_image(node.ints("dilations", ones), 1),
                  .before = of_image(Ints(pads.begin(), middle), 0),
                  .after = of_image(Ints(middle, pads.end()), 0)};
  check_sizes(windows, node);
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  const Ints sizes = of_image(image, 1);
  for (size_t k = 0; k < 2; ++k) {
    if (auto_pad == "VALID") windows.before[k] = windows.after[k] = 0;
    if (!auto_pad.starts_with("SAME")) continue;
    const int64_t total = windows.same_total(sizes[k], k);
    windows.before[k] = auto_pad == "SAME_LOWER" ? total - total / 2 : total / 2;
    windows.after[k] = total - windows.before[k];
  }
  return windows;
}

std::string padding_of(const Windows& windows, const Ints& image) {
  bool is_valid = true, is_same = true;
  for (size_t k = 0; k < 2; ++k) {
    const int64_t size = image[k], window = windows.extent(k), stride = windows.strides[k];
    const int64_t before = windows.before[k], room = size + before + windows.after[k] - window;
    if (room < 0) return "";  // the layer will say it
    const int64_t count = room / stride + 1;
    // Of the zeros after, what the last window needs.
    const int64_t after = std::max<int64_t>((count - 1) * stride + window - size - before, 0);
    const int64_t total = windows.same_total(size, k);
    is_valid &= before == 0 && after == 0;
    is_same &=
        before == total / 2 && after == total - total / 2 && count == (size + stride - 1) / stride;
  }
  return is_valid ? "valid" : is_same ? "same" : "";
}

SymbolicTensor image_of(Importer& in, const Value& value, const OnnxNode& node) {
  const size_t rank = value.dims.size();
  if (rank != 2 && rank != 3) fail(node, "Sluice has it of images and sequences");
  const SymbolicTensor tensor = arranged(in, value, channels_last(rank), node);
  if (rank == 3) return tensor;
  const Shape shape = tensor.shape();
  return Reshape({.target_shape = {1, shape[0], shape[1]},
                  .name = in.layer_name(node.name + "_image")})(tensor);
}

Value from_image(Importer& in, SymbolicTensor tensor, size_t rank, const OnnxNode& node) {
  const Shape shape = tensor.shape();
  if (rank == 3) {
    return {.tensor = tensor, .dims = {shape[2], shape[0], shape[1]}, .order = channels_last(3)};
  }
  tensor = Reshape({.target_shape = {shape[1], shape[2]},
                    .name = in.layer_name(node.name + "_sequence")})(tensor);
  return {.tensor = tensor, .dims = {shape[2], shape[1]}, .order = channels_last(2)};
}

SymbolicTensor padded(Importer& in, const SymbolicTensor& image, const Windows& windows,
                      const std::string& name) {
  const Border2D zeros({windows.before[0], windows.after[0]},
                       {windows.before[1], windows.after[1]});
  return ZeroPadding2D({.padding = zeros, .name = in.layer_name(name + "_pad")})(image);
}

}  // namespace sluice::formats::onnx
