// RMSprop, plain or centered, with or without momentum.
#include <algorithm>
#include <cmath>

#include "core/simd.h"
#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"learning_rate", Number{&OptimizerSpec::learning_rate, kNotNegative}},
    {"rho", Number{&OptimizerSpec::rho, kDecay}},
    {"momentum", Number{&OptimizerSpec::momentum, kFraction}},
    {"epsilon", Number{&OptimizerSpec::epsilon, kNotNegative}},
    {"centered", Flag{&OptimizerSpec::centered}}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  std::vector<SlotSpec> slots = {{"velocity", 0}};
  if (spec.momentum > 0) slots.push_back({"momentum", 0});
  if (spec.centered) slots.push_back({"average_gradient", 0});
  return slots;
}

struct Factors {
  float learning_rate, rho, one_minus_rho, momentum, epsilon;
};

SLUICE_SIMD void plain_loop(size_t n, float* __restrict w, const float* __restrict g,
                            float* __restrict v, Factors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    w[i] -= f.learning_rate * g[i] / std::sqrt(v[i] + f.epsilon);
  }
}

SLUICE_SIMD void momentum_loop(size_t n, float* __restrict w, const float* __restrict g,
                               float* __restrict v, float* __restrict m, Factors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    m[i] = f.momentum * m[i] + f.learning_rate * g[i] / std::sqrt(v[i] + f.epsilon);
    w[i] -= m[i];
  }
}

SLUICE_SIMD void centered_loop(size_t n, float* __restrict w, const float* __restrict g,
                               float* __restrict v, float* __restrict a, Factors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    a[i] = f.rho * a[i] + f.one_minus_rho * g[i];
    const float variance = std::max(v[i] - a[i] * a[i], 0.0f);
    w[i] -= f.learning_rate * g[i] / std::sqrt(variance + f.epsilon);
  }
}

SLUICE_SIMD void centered_momentum_loop(size_t n, float* __restrict w, const float* __restrict g,
                                        float* __restrict v, float* __restrict m,
                                        float* __restrict a, Factors f) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = f.rho * v[i] + f.one_minus_rho * (g[i] * g[i]);
    a[i] = f.rho * a[i] + f.one_minus_rho * g[i];
    const float variance = std::max(v[i] - a[i] * a[i], 0.0f);
    m[i] = f.momentum * m[i] + f.learning_rate * g[i] / std::sqrt(variance + f.epsilon);
    w[i] -= m[i];
  }
}

void update(const OptimizerSpec& spec, float step_size, const UpdateRange& range) {
  const Factors factors{step_size, spec.rho, one_minus(spec.rho), spec.momentum, spec.epsilon};
  const auto& [size, w, g, slots] = range;
  if (spec.momentum > 0 && spec.centered) {
    centered_momentum_loop(size, w, g, slots[0], slots[1], slots[2], factors);
  } else if (spec.momentum > 0) {
    momentum_loop(size, w, g, slots[0], slots[1], factors);
  } else if (spec.centered) {
    centered_loop(size, w, g, slots[0], slots[1], factors);
  } else {
    plain_loop(size, w, g, slots[0], factors);
  }
}

}  // namespace

constinit const Definition kRmsprop = {.kind = Kind::kRmsprop,
                                       .name = "rmsprop",
                                       .hyperparameters = kHyperparameters,
                                       .defaults = [] { return RMSprop(); },
                                       .slots = slots,
                                       .step_size = learning_rate,
                                       .update = update};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec RMSprop(const RmspropOptions& options) {
  OptimizerSpec spec;
  spec.name = optim::kRmsprop.name;
  spec.learning_rate = options.learning_rate;
  spec.rho = options.rho;
  spec.momentum = options.momentum;
  spec.epsilon = options.epsilon;
  spec.centered = options.centered;
  return spec;
}

}  // namespace sluice
