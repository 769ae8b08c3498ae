// Stochastic gradient descent, with or without momentum.
#include "core/simd.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"learning_rate", Number{&OptimizerSpec::learning_rate, kNotNegative}},
    {"momentum", Number{&OptimizerSpec::momentum, kFraction}},
    {"nesterov", Flag{&OptimizerSpec::nesterov}}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  if (spec.momentum > 0) return {{"momentum", 0}};
  return {};
}

SLUICE_SIMD void plain_loop(size_t n, float* __restrict w, const float* __restrict g, float lr) {
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

void update(const OptimizerSpec& spec, float step_size, const UpdateRange& range) {
  float* m = range.slots[0];
  if (m == nullptr) return plain_loop(range.size, range.w, range.g, step_size);
  const auto loop = spec.nesterov ? nesterov_loop : momentum_loop;
  loop(range.size, range.w, range.g, m, step_size, spec.momentum);
}

}  // namespace

constinit const Definition kSgd = {.kind = Kind::kSgd,
                                   .name = "sgd",
                                   .hyperparameters = kHyperparameters,
                                   .defaults = [] { return SGD(); },
                                   .slots = slots,
                                   .step_size = learning_rate,
                                   .update = update};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec SGD(const SgdOptions& options) {
  OptimizerSpec spec;
  spec.name = optim::kSgd.name;
  spec.learning_rate = options.learning_rate;
  spec.momentum = options.momentum;
  spec.nesterov = options.nesterov;
  return spec;
}

}  // namespace sluice
