// What an InterpolateOp comes to for a batch: x [outer, n, inner] and y [outer, n factor, inner].
#pragma once

#include <cstdint>

#include "backend/graph.h"
#include "backend/type.h"

namespace sluice::backend {

struct Interpolation {
  int64_t outer = 1, n = 1, inner = 1, factor = 1;
};

// `x` without the batch.
inline Interpolation interpolation_of(const InterpolateOp& op, int64_t batch, const Shape& x,
                                      Layout layout) {
  Interpolation result{.outer = batch, .n = x[op.axis], .factor = op.factor};
  for (int k = 0; k < op.axis; ++k) result.outer *= x[k];
  for (int k = op.axis + 1; k < x.rank(); ++k) result.inner *= x[k];
  if (layout == Layout::kBlocked16) {  // channels, the last axis, in front and behind
    result.outer *= x[2] / kChannelBlock;
    result.inner /= x[2] / kChannelBlock;
  }
  return result;
}

}  // namespace sluice::backend
