// Where the windows of a convolution or a pooling lie on an image, by Keras' rules. A sequence
// [L, C] is an image of one row, [1, L, C].
#pragma once

#include <optional>
#include <string>

#include "backend/graph.h"
#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice::nn {

// Along one axis of n cells, windows that span k cells every s:
//   "valid"   floor((n - k) / s) + 1 windows (0 when n < k), no padding
//   "same"    ceil(n / s) windows, max((windows - 1) s + k - n, 0) cells of padding, of which the
//             smaller half lies before the first cell
//   "causal"  ceil(n / s) windows, k - 1 cells of padding before the first cell
struct WindowAxis {
  int64_t windows = 0;
  int64_t before = 0;
  int64_t after = 0;
};
WindowAxis place_windows(int64_t n, int64_t k, int64_t s, const std::string& padding);

// The reverse, of a transposed convolution: so many cells that n windows lie on them, with the
// padding that makes it n. `more` is Keras' output_padding.
//   "valid"   (n - 1) s + k + more cells; without `more` max(k, s) - k are meant; no padding
//   "same"    (n - 1) s + k % 2 + more cells; without `more` n s
struct CellAxis {
  int64_t cells = 0;
  int64_t before = 0;
  int64_t after = 0;
};
CellAxis place_cells(int64_t n, int64_t k, int64_t s, const std::string& padding,
                     std::optional<int64_t> more);

// Sizes of a layer as those of an image.
inline Size2D size2d(const Size2D& size) { return size; }
inline Size2D size2d(int64_t columns) { return {1, columns}; }

// What is under the key, or `fallback`.
inline Size2D get_size(const Config& config, const char* key, const Size2D& fallback) {
  return get_size2d(config, key, fallback);
}
inline int64_t get_size(const Config& config, const char* key, const int64_t& fallback) {
  return get_size1d(config, key, fallback);
}

struct Windows2D {
  int rank;  // 2: of images; 1: of sequences
  Size2D size;
  Size2D strides;
  std::string padding;
  Size2D dilation = 1;

  // The cells that a window spans.
  Size2D extent() const { return {(size.h - 1) * dilation.h + 1, (size.w - 1) * dilation.w + 1}; }
};

// [H, W, C] of an input of that rank. Throws ShapeError, in `layer`'s name, for any other.
Shape as_image(const Layer& layer, const Shape& input, int rank);
// The reverse.
Shape from_image(const Shape& image, int rank);

// The output, with so many channels, for an input of the windows' rank. Throws ShapeError, in
// `layer`'s name, for another rank or an image smaller than a window.
Shape window_output(const Layer& layer, const Windows2D& windows, const Shape& input,
                    int64_t channels);

// The cells of padding around an image [H, W, C].
backend::Padding2D window_padding(const Windows2D& windows, const Shape& image);

// Appends `kind`, which gives an image of so many channels for the windows on one, as an operation
// from the builder's shape to `output`, both of the windows' rank.
void append_on_images(GraphBuilder& builder, const Layer& layer, int rank, backend::OpKind kind,
                      const Shape& output);

}  // namespace sluice::nn
