// The loops of a dense layer's backward pass, over a range of the kernel's rows at a time, so that
// a row of W, its gradient and the optimizer's state are touched while they are in the cache.
//
//   y [rows, units] = x [rows, features] W [features, units]
//
// Written with register tiles for AVX-512, AVX2 and the baseline, chosen at run time.
#pragma once

#include <cstdint>

#include "backend/graph.h"

namespace sluice::backend::cpu {

struct DenseShape {
  int64_t rows, features, units;

  int64_t padded_rows() const { return (rows + 15) / 16 * 16; }
  int64_t padded_units() const { return (units + 15) / 16 * 16; }
};

// Leading axes of the input are taken together as rows.
DenseShape dense_shape(int64_t batch, const Shape& x, const Shape& y);

// y's gradient as the loops want it, padded with zeros: `columns` is [units, padded_rows],
// `lines` is [rows, padded_units].
void pack_dense_gradient(const DenseShape& shape, const float* dy, float* columns, float* lines);

// dx[:, begin .. end) = dy W[begin .. end)^T. Other columns of dx [rows, features] stay.
void dense_input_gradient(const DenseShape& shape, int64_t begin, int64_t end, const float* w,
                          const float* columns, float* dx);

// x_block [rows, end - begin] = x[:, begin .. end): rows of x lie too far apart for the cache.
void pack_dense_input(const DenseShape& shape, int64_t begin, int64_t end, const float* x,
                      float* x_block);

// dw [end - begin, units] = x[:, begin .. end)^T dy.
void dense_kernel_gradient(const DenseShape& shape, int64_t begin, int64_t end,
                           const float* x_block, const float* lines, float* dw);

}  // namespace sluice::backend::cpu
