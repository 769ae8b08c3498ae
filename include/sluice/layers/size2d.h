// A height and a width in pixels, such as those of a kernel. One number stands for both, as in
// Keras: `.kernel_size = 3` is `.kernel_size = {3, 3}`.
#pragma once

#include <cstdint>

#include "sluice/cplusplus.h"

namespace sluice {

// A value. Its sizes are checked by the layer that takes it, not here.
struct Size2D {
  int64_t h = 1;  // rows
  int64_t w = 1;  // columns

  // A square: both are `both`.
  Size2D(int64_t both) : h(both), w(both) {}  // NOLINT: meant to be implicit
  // Height first, as in Keras.
  Size2D(int64_t height, int64_t width) : h(height), w(width) {}

  friend bool operator==(const Size2D&, const Size2D&) = default;
};

}  // namespace sluice
