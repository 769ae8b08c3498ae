// Ftrl.
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"learning_rate_power", kNotPositive},
    {"initial_accumulator_value", kNotNegative},
    {"l1_regularization_strength", kNotNegative},
    {"l2_regularization_strength", kNotNegative},
    {"l2_shrinkage_regularization_strength", kNotNegative},
    {"beta", kNotNegative}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  return {{"accumulator", spec.hyperparameters.at("initial_accumulator_value")}, {"linear"}};
}

Rule rule(const OptimizerSpec& spec) {
  const auto& own = spec.hyperparameters;
  const float power = -own.at("learning_rate_power");
  const float l1 = own.at("l1_regularization_strength");
  const float two_l2_shrinkage = 2 * own.at("l2_shrinkage_regularization_strength");
  if (power == 0.5f) return FtrlRule<true>{power, l1, two_l2_shrinkage};
  return FtrlRule<false>{power, l1, two_l2_shrinkage};
}

void set_factors(const OptimizerSpec& spec, int64_t, double learning_rate, StepFactors& factors) {
  const auto& own = spec.hyperparameters;
  const double l2 = own.at("l2_regularization_strength"), beta = own.at("beta");
  factors.rate = static_cast<float>(learning_rate);
  factors.a = static_cast<float>(2 * l2 + beta / learning_rate);
}

}  // namespace

constinit const Definition kFtrl = {.name = "ftrl",
                                    .class_name = "Ftrl",
                                    .hyperparameters = kHyperparameters,
                                    .defaults = [] { return Ftrl(); },
                                    .slots = slots,
                                    .rule = rule,
                                    .set_factors = set_factors};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Ftrl(const FtrlOptions& options) {
  return optim::make_spec(
      optim::kFtrl, options,
      {{"learning_rate_power", options.learning_rate_power},
       {"initial_accumulator_value", options.initial_accumulator_value},
       {"l1_regularization_strength", options.l1_regularization_strength},
       {"l2_regularization_strength", options.l2_regularization_strength},
       {"l2_shrinkage_regularization_strength", options.l2_shrinkage_regularization_strength},
       {"beta", options.beta}});
}

}  // namespace sluice
