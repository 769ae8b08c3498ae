#include "backend/cpu/dense_row.h"

#include <algorithm>

#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

// y += x_0 w_0 + ... + x_7 w_7, where w_k begins `stride` floats behind w_k-1.
SLUICE_SIMD void add_eight(int64_t n, const float* x, const float* w, int64_t stride, float* y) {
  const float *w0 = w, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
  const float *w4 = w3 + stride, *w5 = w4 + stride, *w6 = w5 + stride, *w7 = w6 + stride;
  for (int64_t i = 0; i < n; ++i) {
    y[i] += ((x[0] * w0[i] + x[1] * w1[i]) + (x[2] * w2[i] + x[3] * w3[i])) +
            ((x[4] * w4[i] + x[5] * w5[i]) + (x[6] * w6[i] + x[7] * w7[i]));
  }
}

SLUICE_SIMD void add_one(int64_t n, float x, const float* w, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x * w[i];
}

}  // namespace

void dense_row(const DenseRow& row, int64_t begin, int64_t end) {
  const int64_t n = end - begin;
  float* const y = row.y + begin;
  if (row.b == nullptr) {
    std::fill_n(y, n, 0.0f);
  } else {
    std::copy_n(row.b + begin, n, y);
  }
  int64_t k = 0;
  for (; k + 8 <= row.features; k += 8) {
    add_eight(n, row.x + k, row.w + k * row.units + begin, row.units, y);
  }
  for (; k < row.features; ++k) add_one(n, row.x[k], row.w + k * row.units + begin, y);
}

}  // namespace sluice::backend::cpu
