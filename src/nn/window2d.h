// Where the windows of a convolution or a pooling lie on an image, by Keras' rules.
#pragma once

#include <string>

#include "backend/graph.h"
#include "sluice/layer.h"
#include "sluice/layers/size2d.h"

namespace sluice::nn {

// Along one axis of n cells, windows of k cells every s:
//   "valid"  floor((n - k) / s) + 1 windows (0 when n < k), no padding
//   "same"   ceil(n / s) windows, max((windows - 1) s + k - n, 0) cells of padding, of which the
//            smaller half lies before the first cell
struct WindowAxis {
  int64_t windows = 0;
  int64_t before = 0;
  int64_t after = 0;
};
WindowAxis place_windows(int64_t n, int64_t k, int64_t s, const std::string& padding);

struct Windows2D {
  Size2D size;
  Size2D strides;
  std::string padding;  // "valid" or "same"
};

// [H', W', channels] for an input [H, W, C]. Throws ShapeError, in `layer`'s name, for another rank
// or an image smaller than a window.
Shape window_output(const Layer& layer, const Windows2D& windows, const Shape& input,
                    int64_t channels);

// The cells of padding around an input [H, W, C].
backend::Padding2D window_padding(const Windows2D& windows, const Shape& input);

// `input` checked to be [H, W, C], and C. Throws ShapeError in `layer`'s name.
int64_t image_channels(const Layer& layer, const Shape& input);

}  // namespace sluice::nn
