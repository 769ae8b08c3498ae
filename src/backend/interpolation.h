// What an InterpolateOp comes to for a batch: x [outer, n, inner] and y [outer, n factor, inner].
#pragma once

#include <cstdint>
#include <vector>

#include "backend/activation_formulas.h"
#include "backend/graph.h"
#include "backend/type.h"

namespace sluice::backend {

// Plain values, which kernels are given as they are.
struct Interpolation {
  int64_t outer = 1, n = 1, inner = 1, factor = 1;
  int64_t radius = 1;

  // y[q factor + p], p < factor, is made of so many elements of x, from the first of them on. Where
  // one is not there, its weight is 0.
  SLUICE_FORMULA int64_t taps() const { return 2 * radius; }
  SLUICE_FORMULA int64_t first(int64_t q, int64_t p) const {
    return q - radius + (2 * p + 1 >= factor ? 1 : 0);
  }
  // All q that x[i] has a part in are in [begin_of(i), end_of(i)).
  SLUICE_FORMULA int64_t begin_of(int64_t i) const { return i < radius ? 0 : i - radius; }
  SLUICE_FORMULA int64_t end_of(int64_t i) const { return i + radius < n ? i + radius + 1 : n; }
};

// `x` without the batch.
Interpolation interpolation_of(const InterpolateOp& op, int64_t batch, const Shape& x,
                               Layout layout);

// [n factor, taps]
std::vector<float> interpolation_weights(const InterpolateOp& op, const Interpolation& shape);

// The same for an axis of n: [n factor, n].
std::vector<float> interpolation_matrix(const InterpolateOp& op, int64_t n);

}  // namespace sluice::backend
