// Adam; the correction of its moments' bias is part of the step size.
#include <cmath>

#include "core/simd.h"
#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"learning_rate", Number{&OptimizerSpec::learning_rate, kNotNegative}},
    {"beta_1", Number{&OptimizerSpec::beta_1, kDecay}},
    {"beta_2", Number{&OptimizerSpec::beta_2, kDecay}},
    {"epsilon", Number{&OptimizerSpec::epsilon, kNotNegative}}};

std::vector<SlotSpec> slots(const OptimizerSpec&) { return {{"momentum", 0}, {"velocity", 0}}; }

float step_size(const OptimizerSpec& spec, int64_t step) {
  const auto t = static_cast<double>(step);
  const double beta_1_power = std::pow(static_cast<double>(spec.beta_1), t);
  const double beta_2_power = std::pow(static_cast<double>(spec.beta_2), t);
  return static_cast<float>(static_cast<double>(spec.learning_rate) * std::sqrt(1 - beta_2_power) /
                            (1 - beta_1_power));
}

struct Factors {
  float step_size, one_minus_beta_1, one_minus_beta_2, epsilon;
};

SLUICE_SIMD void loop(size_t n, float* __restrict w, const float* __restrict g, float* __restrict m,
                      float* __restrict v, Factors f) {
  for (size_t i = 0; i < n; ++i) {
    m[i] += (g[i] - m[i]) * f.one_minus_beta_1;
    v[i] += (g[i] * g[i] - v[i]) * f.one_minus_beta_2;
    w[i] -= m[i] * f.step_size / (std::sqrt(v[i]) + f.epsilon);
  }
}

void update(const OptimizerSpec& spec, float step_size, const UpdateRange& range) {
  loop(range.size, range.w, range.g, range.slots[0], range.slots[1],
       {step_size, one_minus(spec.beta_1), one_minus(spec.beta_2), spec.epsilon});
}

}  // namespace

constinit const Definition kAdam = {.kind = Kind::kAdam,
                                    .name = "adam",
                                    .hyperparameters = kHyperparameters,
                                    .defaults = [] { return Adam(); },
                                    .slots = slots,
                                    .step_size = step_size,
                                    .update = update};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Adam(const AdamOptions& options) {
  OptimizerSpec spec;
  spec.name = optim::kAdam.name;
  spec.learning_rate = options.learning_rate;
  spec.beta_1 = options.beta_1;
  spec.beta_2 = options.beta_2;
  spec.epsilon = options.epsilon;
  return spec;
}

}  // namespace sluice
