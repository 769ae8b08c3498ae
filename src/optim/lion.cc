// Lion.
#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {{"beta_1", kDecay}, {"beta_2", kDecay}};

Rule rule(const OptimizerSpec& spec) {
  const float beta_1 = spec.hyperparameters.at("beta_1");
  const float beta_2 = spec.hyperparameters.at("beta_2");
  return LionRule{beta_1, one_minus(beta_1), beta_2, one_minus(beta_2)};
}

}  // namespace

constinit const Definition kLion = {
    .name = "lion",
    .class_name = "Lion",
    .hyperparameters = kHyperparameters,
    .defaults = [] { return Lion(); },
    .slots = [](const OptimizerSpec&) -> std::vector<SlotSpec> { return {{"momentum"}}; },
    .rule = rule,
    .set_factors = set_learning_rate};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Lion(const LionOptions& options) {
  return optim::make_spec(optim::kLion, options,
                          {{"beta_1", options.beta_1}, {"beta_2", options.beta_2}});
}

}  // namespace sluice
