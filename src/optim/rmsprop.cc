// RMSprop, plain or centered, with or without momentum.
#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {
    {"rho", kDecay}, {"momentum", kFraction}, {"epsilon", kNotNegative}, {"centered", kFlag}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  std::vector<SlotSpec> slots = {{"velocity"}};
  if (spec.hyperparameters.at("momentum") > 0) slots.push_back({"momentum"});
  if (spec.hyperparameters.at("centered") != 0) slots.push_back({"average_gradient"});
  return slots;
}

Rule rule(const OptimizerSpec& spec) {
  const auto& own = spec.hyperparameters;
  const RmspropFactors factors{own.at("rho"), one_minus(own.at("rho")), own.at("momentum"),
                               own.at("epsilon")};
  const bool momentum = factors.momentum > 0, centered = own.at("centered") != 0;
  if (momentum && centered) return CenteredRmspropMomentumRule{factors};
  if (momentum) return RmspropMomentumRule{factors};
  if (centered) return CenteredRmspropRule{factors};
  return RmspropRule{factors};
}

}  // namespace

constinit const Definition kRmsprop = {.name = "rmsprop",
                                       .class_name = "RMSprop",
                                       .hyperparameters = kHyperparameters,
                                       .defaults = [] { return RMSprop(); },
                                       .slots = slots,
                                       .rule = rule,
                                       .set_factors = set_learning_rate};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec RMSprop(const RmspropOptions& options) {
  return optim::make_spec(optim::kRmsprop, options,
                          {{"rho", options.rho},
                           {"momentum", options.momentum},
                           {"epsilon", options.epsilon},
                           {"centered", options.centered ? 1.0f : 0.0f}});
}

}  // namespace sluice
