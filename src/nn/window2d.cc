#include "nn/window2d.h"

#include <fmt/core.h>

#include <algorithm>

#include "nn/arguments.h"

namespace sluice::nn {

WindowAxis place_windows(int64_t n, int64_t k, int64_t s, const std::string& padding) {
  if (padding == "valid") return {n < k ? 0 : (n - k) / s + 1, 0, 0};
  const int64_t windows = (n + s - 1) / s;
  if (padding == "causal") return {windows, k - 1, 0};
  const int64_t cells = std::max<int64_t>((windows - 1) * s + k - n, 0);
  return {windows, cells / 2, cells - cells / 2};
}

CellAxis place_cells(int64_t n, int64_t k, int64_t s, const std::string& padding,
                     std::optional<int64_t> more) {
  if (padding == "valid") {
    return {(n - 1) * s + k + more.value_or(std::max<int64_t>(s - k, 0)), 0, 0};
  }
  const int64_t cells = more ? (n - 1) * s + k % 2 + *more : n * s;
  const int64_t pad = std::max<int64_t>((n - 1) * s + k - cells, 0);
  return {cells, pad / 2, pad - pad / 2};
}

Shape as_image(const Layer& layer, const Shape& input, int rank) {
  if (input.rank() != rank + 1) {
    throw_shape_error(layer,
                      rank == 2 ? "an input of rank 3, [H, W, C] (without the batch)"
                                : "an input of rank 2, [L, C] (without the batch)",
                      input);
  }
  return rank == 2 ? input : Shape{1, input[0], input[1]};
}

Shape from_image(const Shape& image, int rank) {
  return rank == 2 ? image : Shape{image[1], image[2]};
}

Shape window_output(const Layer& layer, const Windows2D& windows, const Shape& input,
                    int64_t channels) {
  const Shape image = as_image(layer, input, windows.rank);
  const Size2D extent = windows.extent();
  const int64_t h = place_windows(image[0], extent.h, windows.strides.h, windows.padding).windows;
  const int64_t w = place_windows(image[1], extent.w, windows.strides.w, windows.padding).windows;
  if (h < 1 || w < 1) {
    const std::string least = windows.rank == 2
                                  ? fmt::format("an image of at least {} x {}", extent.h, extent.w)
                                  : fmt::format("a sequence of at least {}", extent.w);
    throw_shape_error(layer, least + " (use padding \"same\" or a smaller window)", input);
  }
  return from_image({h, w, channels}, windows.rank);
}

backend::Padding2D window_padding(const Windows2D& windows, const Shape& image) {
  const Size2D extent = windows.extent();
  const WindowAxis h = place_windows(image[0], extent.h, windows.strides.h, windows.padding);
  const WindowAxis w = place_windows(image[1], extent.w, windows.strides.w, windows.padding);
  return {h.before, h.after, w.before, w.after};
}

void append_on_images(GraphBuilder& builder, const Layer& layer, int rank, backend::OpKind kind,
                      const Shape& output) {
  if (rank == 1) builder.append(backend::ReshapeOp{}, as_image(layer, builder.shape(), rank));
  builder.append(std::move(kind), as_image(layer, output, rank));
  if (rank == 1) builder.append(backend::ReshapeOp{}, output);
}

}  // namespace sluice::nn
