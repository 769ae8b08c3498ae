// How much is added, or cut off, at the ends of axes. One number stands for both ends, as in Keras:
// `.padding = 1` is `.padding = {1, 1}` is `.padding = {{1, 1}, {1, 1}}`.
#pragma once

#include <cstdint>

#include "sluice/cplusplus.h"

namespace sluice {

// Of one axis. A value, which is checked by the layer that takes it.
struct Border1D {
  int64_t before = 0;
  int64_t after = 0;

  // The same at both ends.
  Border1D(int64_t both) : before(both), after(both) {}  // NOLINT: meant to be implicit
  // Each end by itself: `.padding = {0, 1}` of a sequence.
  Border1D(int64_t at_the_start, int64_t at_the_end) : before(at_the_start), after(at_the_end) {}

  friend bool operator==(const Border1D&, const Border1D&) = default;
};

// Of an image. A value, which is checked by the layer that takes it.
struct Border2D {
  Border1D h = 0;  // top, bottom
  Border1D w = 0;  // left, right

  // The same on all four sides.
  Border2D(int64_t all) : h(all), w(all) {}  // NOLINT: meant to be implicit
  // {{top, bottom}, {left, right}}, or {h, w}.
  Border2D(Border1D height, Border1D width) : h(height), w(width) {}

  friend bool operator==(const Border2D&, const Border2D&) = default;
};

}  // namespace sluice
