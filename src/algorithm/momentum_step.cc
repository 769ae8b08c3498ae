#include "algorithm/momentum_step.h"

#include "core/simd.h"

namespace sluice::algorithm {

SLUICE_SIMD void nesterov_step(float rate, float momentum, const float* theta, const float* change,
                               float* m, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float c = change[i];
    m[i] = momentum * m[i] + c;
    out[i] = theta[i] + rate * (c + momentum * m[i]);
  }
}

}  // namespace sluice::algorithm
