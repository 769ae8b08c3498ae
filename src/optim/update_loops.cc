#include "optim/update_loops.h"

#include <algorithm>
#include <cmath>

#include "core/simd.h"

namespace sluice::optim {
namespace {

SLUICE_SIMD void sgd_loop(size_t n, float* __restrict w, const float* __restrict g, float lr) {
  for (size_t i = 0; i < n; ++i) w[i] -= lr * g[i];
}

SLUICE_SIMD void momentum_loop(size_t n, float* __restrict w, const float* __restrict g,
                               float* __restrict m, float lr, float momentum) {
  for (size_t i = 0; i < n; ++i) {
    m[i] = momentum * m[i] - lr * g[i];
    w[i] += m[i];
  }
}

SLUICE_SIMD void nesterov_loop(size_t n, float* __restrict w, const float* __restrict g,
                               float* __restrict m, float lr, float momentum) {
  for (size_t i = 0; i < n; ++i) {
    const float step = lr * g[i];
    m[i] = momentum * m[i] - step;
    w[i] += momentum * m[i] - step;
  }
}

SLUICE_SIMD void rmsprop_loop(size_t n, float* __restrict w, const float* __restrict g,
                              float* __restrict v, RmspropFactors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    w[i] -= f.learning_rate * g[i] / std::sqrt(v[i] + f.epsilon);
  }
}

SLUICE_SIMD void rmsprop_momentum_loop(size_t n, float* __restrict w, const float* __restrict g,
                                       float* __restrict v, float* __restrict m, RmspropFactors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    m[i] = f.momentum * m[i] + f.learning_rate * g[i] / std::sqrt(v[i] + f.epsilon);
    w[i] -= m[i];
  }
}

SLUICE_SIMD void rmsprop_centered_loop(size_t n, float* __restrict w, const float* __restrict g,
                                       float* __restrict v, float* __restrict a, RmspropFactors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    a[i] = f.rho * a[i] + f.one_minus_rho * g[i];
    const float variance = std::max(v[i] - a[i] * a[i], 0.0f);
    w[i] -= f.learning_rate * g[i] / std::sqrt(variance + f.epsilon);
  }
}

SLUICE_SIMD void rmsprop_centered_momentum_loop(size_t n, float* __restrict w,
                                                const float* __restrict g, float* __restrict v,
                                                float* __restrict m, float* __restrict a,
                                                RmspropFactors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    a[i] = f.rho * a[i] + f.one_minus_rho * g[i];
    const float variance = std::max(v[i] - a[i] * a[i], 0.0f);
    m[i] = f.momentum * m[i] + f.learning_rate * g[i] / std::sqrt(variance + f.epsilon);
    w[i] -= m[i];
  }
}

SLUICE_SIMD void adagrad_loop(size_t n, float* __restrict w, const float* __restrict g,
                              float* __restrict a, float lr, float epsilon) {
  for (size_t i = 0; i < n; ++i) {
    a[i] += g[i] * g[i];
    w[i] -= lr * g[i] / std::sqrt(a[i] + epsilon);
  }
}

SLUICE_SIMD void adam_loop(size_t n, float* __restrict w, const float* __restrict g,
                           float* __restrict m, float* __restrict v, AdamFactors f) {
  for (size_t i = 0; i < n; ++i) {
    m[i] += (g[i] - m[i]) * f.one_minus_beta_1;
    v[i] += (g[i] * g[i] - v[i]) * f.one_minus_beta_2;
    w[i] -= m[i] * f.step_size / (std::sqrt(v[i]) + f.epsilon);
  }
}

}  // namespace

void sgd_update(const UpdateRange& range, float learning_rate) {
  sgd_loop(range.size, range.w, range.g, learning_rate);
}

void sgd_momentum_update(const UpdateRange& range, float* m, float learning_rate, float momentum) {
  momentum_loop(range.size, range.w, range.g, m, learning_rate, momentum);
}

void sgd_nesterov_update(const UpdateRange& range, float* m, float learning_rate, float momentum) {
  nesterov_loop(range.size, range.w, range.g, m, learning_rate, momentum);
}

void rmsprop_update(const UpdateRange& range, float* v, float* m, float* a,
                    const RmspropFactors& factors) {
  if (m != nullptr && a != nullptr) {
    rmsprop_centered_momentum_loop(range.size, range.w, range.g, v, m, a, factors);
  } else if (m != nullptr) {
    rmsprop_momentum_loop(range.size, range.w, range.g, v, m, factors);
  } else if (a != nullptr) {
    rmsprop_centered_loop(range.size, range.w, range.g, v, a, factors);
  } else {
    rmsprop_loop(range.size, range.w, range.g, v, factors);
  }
}

void adagrad_update(const UpdateRange& range, float* a, float learning_rate, float epsilon) {
  adagrad_loop(range.size, range.w, range.g, a, learning_rate, epsilon);
}

void adam_update(const UpdateRange& range, float* m, float* v, const AdamFactors& factors) {
  adam_loop(range.size, range.w, range.g, m, v, factors);
}

}  // namespace sluice::optim
