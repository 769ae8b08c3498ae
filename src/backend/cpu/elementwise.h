// Vectorised loops over arrays that several kernels share. They run on the calling thread.
#pragma once

#include <cstdint>

#include "backend/type.h"
#include "backend/values.h"

namespace sluice::backend::cpu {

// gradient *= activation'(z), from y = activation(z). ReLU, sigmoid or tanh; linear does nothing.
void differentiate(Activation activation, int64_t n, const float* y, float* gradient);
void differentiate(Activation activation, int64_t n, const Bfloat16* y, Bfloat16* gradient);
// The same for the elements [begin, end) of `y` and its gradient.
void differentiate(Activation activation, const Value& y, int64_t begin, int64_t end);

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

// y = softmax of each row of x [rows, columns]. x and y may be the same.
void softmax(int64_t rows, int64_t columns, const float* x, float* y);

// dx = (dy - sum_k dy_k y_k) y for each row, from y = softmax(x).
void softmax_gradient(int64_t rows, int64_t columns, const float* y, const float* dy, float* dx);

}  // namespace sluice::backend::cpu
