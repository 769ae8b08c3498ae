// Nadam.
#include <algorithm>
#include <cmath>

#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"beta_1", kDecay}, {"beta_2", kDecay}, {"epsilon", kNotNegative}};

std::vector<SlotSpec> slots(const OptimizerSpec&) { return {{"momentum"}, {"velocity"}}; }

Rule rule(const OptimizerSpec& spec) {
  const auto& own = spec.hyperparameters;
  return NadamRule{{one_minus(own.at("beta_1")), one_minus(own.at("beta_2")), own.at("epsilon")}};
}

// b_t and P_t of sluice/optimizers.h.
double momentum_at(double beta_1, int64_t t) {
  return beta_1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t)));
}

// From the step alone, so that there is no state beside the slots. It is soon too small to matter:
// after some hundred factors, or where beta_1 is very close to 1, after 0.96^t is.
double product_until(double beta_1, int64_t t) {
  constexpr int64_t kConstantAfter = 1000;  // 0.96^1000 = 2e-18
  double product = 1;
  for (int64_t i = 1; i <= std::min(t, kConstantAfter) && product > 1e-30; ++i) {
    product *= momentum_at(beta_1, i);
  }
  return product * std::pow(beta_1, static_cast<double>(std::max<int64_t>(t - kConstantAfter, 0)));
}

void set_factors(const OptimizerSpec& spec, int64_t step, double learning_rate,
                 StepFactors& factors) {
  const double beta_1 = decimal_of(spec.hyperparameters.at("beta_1"));
  const double beta_2 = decimal_of(spec.hyperparameters.at("beta_2"));
  const double now = momentum_at(beta_1, step), next = momentum_at(beta_1, step + 1);
  const double product = product_until(beta_1, step);
  factors.rate = static_cast<float>(learning_rate);
  factors.a = static_cast<float>(next / (1 - product * next));
  factors.b = static_cast<float>((1 - now) / (1 - product));
  factors.c = static_cast<float>(1 / (1 - std::pow(beta_2, static_cast<double>(step))));
}

}  // namespace

constinit const Definition kNadam = {.name = "nadam",
                                     .class_name = "Nadam",
                                     .hyperparameters = kHyperparameters,
                                     .defaults = [] { return Nadam(); },
                                     .slots = slots,
                                     .rule = rule,
                                     .set_factors = set_factors};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Nadam(const NadamOptions& options) {
  return optim::make_spec(
      optim::kNadam, options,
      {{"beta_1", options.beta_1}, {"beta_2", options.beta_2}, {"epsilon", options.epsilon}});
}

}  // namespace sluice
