#include "nn/window2d.h"

#include <fmt/core.h>

#include <algorithm>

#include "nn/arguments.h"

namespace sluice::nn {

WindowAxis place_windows(int64_t n, int64_t k, int64_t s, const std::string& padding) {
  if (padding == "valid") return {n < k ? 0 : (n - k) / s + 1, 0, 0};
  const int64_t windows = (n + s - 1) / s;
  const int64_t cells = std::max<int64_t>((windows - 1) * s + k - n, 0);
  return {windows, cells / 2, cells - cells / 2};
}

int64_t image_channels(const Layer& layer, const Shape& input) {
  if (input.rank() != 3) {
    throw_shape_error(layer, "an input of rank 3, [H, W, C] (without the batch)", input);
  }
  return input[2];
}

Shape window_output(const Layer& layer, const Windows2D& windows, const Shape& input,
                    int64_t channels) {
  image_channels(layer, input);
  const int64_t h =
      place_windows(input[0], windows.size.h, windows.strides.h, windows.padding).windows;
  const int64_t w =
      place_windows(input[1], windows.size.w, windows.strides.w, windows.padding).windows;
  if (h < 1 || w < 1) {
    throw_shape_error(
        layer,
        fmt::format("an image of at least {} x {} (use padding \"same\" or a smaller window)",
                    windows.size.h, windows.size.w),
        input);
  }
  return {h, w, channels};
}

backend::Padding2D window_padding(const Windows2D& windows, const Shape& input) {
  const WindowAxis h = place_windows(input[0], windows.size.h, windows.strides.h, windows.padding);
  const WindowAxis w = place_windows(input[1], windows.size.w, windows.strides.w, windows.padding);
  return {h.before, h.after, w.before, w.after};
}

}  // namespace sluice::nn
