// Vectorised loops over plain arrays, without threads: what several kernels need.
#pragma once

#include <cstdint>

#include "backend/graph.h"

namespace sluice::backend::cpu {

// gradient *= activation'(z), from y = activation(z). ReLU, sigmoid or tanh; linear does nothing.
void differentiate(Activation activation, int64_t n, const float* y, float* gradient);

// sums[j] = sum over rows of x[rows, columns].
void sum_rows(int64_t rows, int64_t columns, const float* x, float* sums);

// y = softmax of each row of x [rows, columns]. x and y may be the same.
void softmax(int64_t rows, int64_t columns, const float* x, float* y);

// dx = (dy - sum_k dy_k y_k) y for each row, from y = softmax(x).
void softmax_gradient(int64_t rows, int64_t columns, const float* y, const float* dy, float* dx);

}  // namespace sluice::backend::cpu
