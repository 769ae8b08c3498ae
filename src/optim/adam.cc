// Adam, and AdamW, which differs in its defaults alone. The correction of the moments' bias is part
// of the rate.
#include <cmath>

#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"beta_1", kDecay}, {"beta_2", kDecay}, {"epsilon", kNotNegative}, {"amsgrad", kFlag}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  if (spec.hyperparameters.at("amsgrad") == 0) return {{"momentum"}, {"velocity"}};
  return {{"momentum"}, {"velocity"}, {"velocity_hat"}};
}

Rule rule(const OptimizerSpec& spec) {
  const auto& own = spec.hyperparameters;
  const AdamFactors factors{one_minus(own.at("beta_1")), one_minus(own.at("beta_2")),
                            own.at("epsilon")};
  if (own.at("amsgrad") != 0) return AmsgradRule{factors};
  return AdamRule{factors};
}

void set_factors(const OptimizerSpec& spec, int64_t step, double learning_rate,
                 StepFactors& factors) {
  const auto power = [&](const char* beta) {
    return std::pow(decimal_of(spec.hyperparameters.at(beta)), static_cast<double>(step));
  };
  factors.rate =
      static_cast<float>(learning_rate * std::sqrt(1 - power("beta_2")) / (1 - power("beta_1")));
}

}  // namespace

constinit const Definition kAdam = {.name = "adam",
                                    .class_name = "Adam",
                                    .hyperparameters = kHyperparameters,
                                    .defaults = [] { return Adam(); },
                                    .slots = slots,
                                    .rule = rule,
                                    .set_factors = set_factors};

constinit const Definition kAdamW = {.name = "adamw",
                                     .class_name = "AdamW",
                                     .hyperparameters = kHyperparameters,
                                     .defaults = [] { return AdamW(); },
                                     .slots = slots,
                                     .rule = rule,
                                     .set_factors = set_factors};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Adam(const AdamOptions& options) {
  return optim::make_spec(optim::kAdam, options,
                          {{"beta_1", options.beta_1},
                           {"beta_2", options.beta_2},
                           {"epsilon", options.epsilon},
                           {"amsgrad", options.amsgrad ? 1.0f : 0.0f}});
}

OptimizerSpec AdamW(const AdamWOptions& options) {
  return optim::make_spec(optim::kAdamW, options,
                          {{"beta_1", options.beta_1},
                           {"beta_2", options.beta_2},
                           {"epsilon", options.epsilon},
                           {"amsgrad", options.amsgrad ? 1.0f : 0.0f}});
}

}  // namespace sluice
