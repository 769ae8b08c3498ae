// A dense layer of one row, as predictions of one sample have it: y [units] = x [features] W + b.
//
// That is as fast as W comes from memory, once, row by row. 4 MB of W for 225 units took 181 us by
// oneDNN's matmul, 208 us by its inner product in the layout that it asks for, and 115 us to be
// read (2.6.3, AVX-512, one thread).
#pragma once

#include <cstdint>

namespace sluice::backend::cpu {

// The units [begin, end) of y. `b` may be nullptr.
struct DenseRow {
  int64_t features, units;
  const float* x;
  const float* w;  // [features, units]
  const float* b;
  float* y;
};
void dense_row(const DenseRow& row, int64_t begin, int64_t end);

}  // namespace sluice::backend::cpu
