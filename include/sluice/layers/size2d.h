// A height and a width in pixels; one number stands for both, as in Keras.
#pragma once

#include <cstdint>

namespace sluice {

struct Size2D {
  int64_t h = 1;
  int64_t w = 1;

  Size2D(int64_t both) : h(both), w(both) {}  // NOLINT: meant to be implicit
  Size2D(int64_t height, int64_t width) : h(height), w(width) {}

  friend bool operator==(const Size2D&, const Size2D&) = default;
};

}  // namespace sluice
