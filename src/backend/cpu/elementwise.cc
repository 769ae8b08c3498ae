#include "backend/cpu/elementwise.h"

#include <Eigen/Core>

#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

SLUICE_SIMD void differentiate_relu(int64_t n, const float* y, float* gradient) {
  for (int64_t i = 0; i < n; ++i) gradient[i] = y[i] > 0 ? gradient[i] : 0.0f;
}

SLUICE_SIMD void differentiate_sigmoid(int64_t n, const float* y, float* gradient) {
  for (int64_t i = 0; i < n; ++i) gradient[i] *= y[i] * (1.0f - y[i]);
}

SLUICE_SIMD void differentiate_tanh(int64_t n, const float* y, float* gradient) {
  for (int64_t i = 0; i < n; ++i) gradient[i] *= 1.0f - y[i] * y[i];
}

}  // namespace

void differentiate(Activation activation, int64_t n, const float* y, float* gradient) {
  switch (activation) {
    case Activation::kRelu:
      return differentiate_relu(n, y, gradient);
    case Activation::kSigmoid:
      return differentiate_sigmoid(n, y, gradient);
    case Activation::kTanh:
      return differentiate_tanh(n, y, gradient);
    case Activation::kLinear:
    case Activation::kSoftmax:
      return;
  }
}

SLUICE_SIMD void sum_rows(int64_t rows, int64_t columns, const float* x, float* sums) {
  for (int64_t j = 0; j < columns; ++j) sums[j] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) sums[j] += x[i * columns + j];
  }
}

void softmax(int64_t rows, int64_t columns, const float* x, float* y) {
  for (int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const ConstRow from(x, columns);
    Row to(y, columns);
    to = (from - from.maxCoeff()).exp();
    to /= to.sum();
  }
}

void softmax_gradient(int64_t rows, int64_t columns, const float* y, const float* dy, float* dx) {
  for (int64_t i = 0; i < rows; ++i, y += columns, dy += columns, dx += columns) {
    const ConstRow outputs(y, columns), gradients(dy, columns);
    Row(dx, columns) = (gradients - (gradients * outputs).sum()) * outputs;
  }
}

}  // namespace sluice::backend::cpu
