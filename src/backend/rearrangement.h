// What a RearrangeOp comes to for a batch: few loops, the same on every device.
#pragma once

#include <cstdint>

#include "backend/graph.h"
#include "backend/type.h"

namespace sluice::backend {

// y, row-major over the axes in their order, from x, both with the batch:
//
//   y[o_1, ..., o_r] = x[sum_k i_k in_stride_k]   i_k = o_k / repeat_k - before_k  (rounded down)
//
// and 0 unless every i_k is in [0, in_size_k). A plain value, which kernels are given as it is.
struct Rearrangement {
  static constexpr int kMostAxes = RearrangeOp::kMostAxes + 2;  // the batch, a block of channels
  struct Axis {
    int64_t size, stride;        // of y
    int64_t in_size, in_stride;  // of x
    int64_t repeat, before;
  };
  Axis axes[kMostAxes];
  int count = 0;
  int64_t size = 0, in_size = 0;  // elements of y and x
};

// Shapes without the batch; images of both may lie in blocks of channels where the channels stay as
// they are. Axes that move together are one.
Rearrangement rearrangement_of(const RearrangeOp& op, int64_t batch, const Shape& x, const Shape& y,
                               Layout layout);

// The same with the axes in the order of x, outermost first.
Rearrangement in_order_of_input(Rearrangement rearrangement);

}  // namespace sluice::backend
