// Adagrad.
#include <cmath>

#include "core/simd.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"learning_rate", Number{&OptimizerSpec::learning_rate, kNotNegative}},
    {"initial_accumulator_value", Number{&OptimizerSpec::initial_accumulator_value, kNotNegative}},
    {"epsilon", Number{&OptimizerSpec::epsilon, kNotNegative}}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  return {{"accumulator", spec.initial_accumulator_value}};
}

SLUICE_SIMD void loop(size_t n, float* __restrict w, const float* __restrict g, float* __restrict a,
                      float lr, float epsilon) {
  for (size_t i = 0; i < n; ++i) {
    a[i] += g[i] * g[i];
    w[i] -= lr * g[i] / std::sqrt(a[i] + epsilon);
  }
}

void update(const OptimizerSpec& spec, float step_size, const UpdateRange& range) {
  loop(range.size, range.w, range.g, range.slots[0], step_size, spec.epsilon);
}

}  // namespace

constinit const Definition kAdagrad = {.kind = Kind::kAdagrad,
                                       .name = "adagrad",
                                       .hyperparameters = kHyperparameters,
                                       .defaults = [] { return Adagrad(); },
                                       .slots = slots,
                                       .step_size = learning_rate,
                                       .update = update};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Adagrad(const AdagradOptions& options) {
  OptimizerSpec spec;
  spec.name = optim::kAdagrad.name;
  spec.learning_rate = options.learning_rate;
  spec.initial_accumulator_value = options.initial_accumulator_value;
  spec.epsilon = options.epsilon;
  return spec;
}

}  // namespace sluice
