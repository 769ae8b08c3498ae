#include "backend/cpu/elementwise.h"

#include <Eigen/Core>
#include <algorithm>
#include <bit>
#include <cmath>

#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

[[gnu::always_inline]] inline float widened(Bfloat16 x) {
  return std::bit_cast<float>(uint32_t{x.bits} << 16);
}

[[gnu::always_inline]] inline Bfloat16 narrowed(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  // A number that is none stays one: rounding could carry it into infinity.
  return {static_cast<uint16_t>(x == x ? rounded : bits >> 16 | 0x40)};
}

}  // namespace

SLUICE_SIMD void convert(int64_t n, const Bfloat16* from, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = widened(from[i]);
}

SLUICE_SIMD void convert(int64_t n, const float* from, Bfloat16* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = narrowed(from[i]);
}

SLUICE_SIMD void add(int64_t n, const float* from, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

// Through floats, in pieces that stay in the first-level cache.
void add(int64_t n, const Bfloat16* from, Bfloat16* to) {
  constexpr int64_t kPiece = 1024;
  float values[kPiece], sums[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = std::min(kPiece, n - i);
    convert(count, from + i, values);
    convert(count, to + i, sums);
    add(count, values, sums);
    convert(count, sums, to + i);
  }
}

SLUICE_SIMD void add_to_rows(int64_t rows, int64_t columns, const float* row, float* x) {
  for (int64_t i = 0; i < rows; ++i, x += columns) {
    for (int64_t j = 0; j < columns; ++j) x[j] += row[j];
  }
}

SLUICE_SIMD void add_to_rows(int64_t rows, int64_t columns, const float* row, Bfloat16* x) {
  for (int64_t i = 0; i < rows; ++i, x += columns) {
    for (int64_t j = 0; j < columns; ++j) x[j] = narrowed(widened(x[j]) + row[j]);
  }
}

SLUICE_SIMD void sum_rows(int64_t rows, int64_t columns, const float* x, float* sums) {
  for (int64_t j = 0; j < columns; ++j) sums[j] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) sums[j] += x[i * columns + j];
  }
}

SLUICE_SIMD void sum_rows(int64_t rows, int64_t columns, const Bfloat16* x, float* sums) {
  for (int64_t j = 0; j < columns; ++j) sums[j] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) sums[j] += widened(x[i * columns + j]);
  }
}

void sigmoid(int64_t n, const float* x, float* y) { Row(y, n) = 1 / (1 + (-ConstRow(x, n)).exp()); }

void transpose(int64_t rows, int64_t columns, const float* from, float* to) {
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * rows + i] = from[i * columns + j];
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

void log_softmax(int64_t rows, int64_t columns, const float* x, float* y) {
  for (int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const ConstRow from(x, columns);
    Row to(y, columns);
    to = from - from.maxCoeff();
    to -= std::log(to.exp().sum());
  }
}

void log_softmax_gradient(int64_t rows, int64_t columns, const float* y, const float* dy,
                          float* dx) {
  for (int64_t i = 0; i < rows; ++i, y += columns, dy += columns, dx += columns) {
    const ConstRow outputs(y, columns), gradients(dy, columns);
    Row(dx, columns) = gradients - outputs.exp() * gradients.sum();
  }
}

}  // namespace sluice::backend::cpu
