// Adamax; the correction of its momentum's bias is part of the rate.
#include <cmath>

#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"beta_1", kDecay}, {"beta_2", kDecay}, {"epsilon", kNotNegative}};

std::vector<SlotSpec> slots(const OptimizerSpec&) { return {{"momentum"}, {"norm"}}; }

Rule rule(const OptimizerSpec& spec) {
  const auto& own = spec.hyperparameters;
  return AdamaxRule{one_minus(own.at("beta_1")), own.at("beta_2"), own.at("epsilon")};
}

void set_factors(const OptimizerSpec& spec, int64_t step, double learning_rate,
                 StepFactors& factors) {
  const double beta_1 = decimal_of(spec.hyperparameters.at("beta_1"));
  factors.rate =
      static_cast<float>(learning_rate / (1 - std::pow(beta_1, static_cast<double>(step))));
}

}  // namespace

constinit const Definition kAdamax = {.name = "adamax",
                                      .class_name = "Adamax",
                                      .hyperparameters = kHyperparameters,
                                      .defaults = [] { return Adamax(); },
                                      .slots = slots,
                                      .rule = rule,
                                      .set_factors = set_factors};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Adamax(const AdamaxOptions& options) {
  return optim::make_spec(
      optim::kAdamax, options,
      {{"beta_1", options.beta_1}, {"beta_2", options.beta_2}, {"epsilon", options.epsilon}});
}

}  // namespace sluice
