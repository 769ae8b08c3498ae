// What a NoiseOp comes to for a batch, the same on every device. A plain value, which kernels are
// given as it is.
#pragma once

#include <cstdint>

#include "backend/graph.h"
#include "backend/type.h"

namespace sluice::backend {

// y = m x + a, with m and a drawn for each element of the batch. Its number, which with seed and
// step decides what is drawn, is the sum over the axes of its place times the stride: elements that
// share a number share what is drawn.
struct Noise {
  static constexpr int kMostAxes = NoiseOp::kMostAxes + 2;  // the batch, and blocks of channels
  struct Axis {
    int64_t size, stride;  // the last one's stride is 1 or 0
  };
  Axis axes[kMostAxes];  // outermost first; of the batch, as it lies in memory
  int count = 0;
  int64_t size = 0;  // elements

  bool is_normal = false;
  // Of two: of a hash of 32 bits those below `threshold` are dropped.
  uint32_t threshold = 0;
  float factor = 1, kept = 0;  // m and a where kept
  float dropped = 0;           // y where not
  // Normal: m = 1 + spread z and a = shift z.
  float spread = 0, shift = 0;

  // For dx = m dy.
  Noise without_addends() const {
    Noise noise = *this;
    noise.kept = noise.dropped = noise.shift = 0;
    return noise;
  }
};

// An element's number does not depend on the layout.
Noise noise_of(const NoiseOp& op, int64_t batch, const Shape& shape,
               Layout layout = Layout::kPlain);

}  // namespace sluice::backend
