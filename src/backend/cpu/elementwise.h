// Vectorised loops over arrays that several kernels share. They run on the calling thread.
#pragma once

#include <cstdint>

#include "backend/type.h"

namespace sluice::backend::cpu {

// to += from.
void add(int64_t n, const float* from, float* to);
void add(int64_t n, const Bfloat16* from, Bfloat16* to);

// x[i, j] += row[j], x [rows, columns].
void add_to_rows(int64_t rows, int64_t columns, const float* row, float* x);
void add_to_rows(int64_t rows, int64_t columns, const float* row, Bfloat16* x);

// sums[j] = sum over rows of x[rows, columns].
void sum_rows(int64_t rows, int64_t columns, const float* x, float* sums);
void sum_rows(int64_t rows, int64_t columns, const Bfloat16* x, float* sums);

// to = from; to bfloat16: rounded to the nearest, ties to even.
void convert(int64_t n, const Bfloat16* from, float* to);
void convert(int64_t n, const float* from, Bfloat16* to);

// y = 1 / (1 + exp(-x)).
void sigmoid(int64_t n, const float* x, float* y);

// to [columns, rows] from [rows, columns].
void transpose(int64_t rows, int64_t columns, const float* from, float* to);

// y = softmax of each row of x [rows, columns]. x and y may be the same.
void softmax(int64_t rows, int64_t columns, const float* x, float* y);

// dx = (dy - sum_k dy_k y_k) y for each row, from y = softmax(x); dx may be y.
void softmax_gradient(int64_t rows, int64_t columns, const float* y, const float* dy, float* dx);

// Likewise with y = log(softmax(x)): dx = dy - exp(y) sum_k dy_k.
void log_softmax(int64_t rows, int64_t columns, const float* x, float* y);
void log_softmax_gradient(int64_t rows, int64_t columns, const float* y, const float* dy,
                          float* dx);

}  // namespace sluice::backend::cpu
