// Windows on images, as attributes of ONNX' convolutions and poolings describe them.
#pragma once

#include <string>

#include "formats/onnx_import/importer.h"
#include "sluice/layers/size2d.h"

namespace sluice::formats::onnx {

constexpr int64_t kMostPixels = int64_t{1} << 31;

// Of rows and columns; a sequence is an image of one row.
struct Windows {
  Ints kernel{}, strides{}, dilations{}, before{}, after{};  // before, after: zeros around it

  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  // What Keras' padding "same" puts before and after, together.
  int64_t same_total(int64_t size, size_t axis) const;
};

// `kernel` and `image` have an axis or two. Refuses numbers that are out of range.
Windows windows_of(const OnnxNode& node, const Ints& kernel, const Ints& image);
// Keras' name of the border, "valid" or "same"; "": it is neither.
std::string padding_of(const Windows& windows, const Ints& image);

// Rows and columns of what a file has for one axis or two.
Ints of_image(Ints sizes, int64_t otherwise);
Size2D size_of(const Ints& sizes);

// An image [H, W, C], or a row [L, C] as one of height 1, and back.
SymbolicTensor image_of(Importer& in, const Value& value, const OnnxNode& node);
Value from_image(Importer& in, SymbolicTensor tensor, size_t rank, const OnnxNode& node);
// With the windows' zeros around it.
SymbolicTensor padded(Importer& in, const SymbolicTensor& image, const Windows& windows,
                      const std::string& name);

}  // namespace sluice::formats::onnx
