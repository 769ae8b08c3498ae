// Adagrad.
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {{"initial_accumulator_value", kNotNegative},
                                               {"epsilon", kNotNegative}};

}  // namespace

constinit const Definition kAdagrad = {
    .name = "adagrad",
    .class_name = "Adagrad",
    .hyperparameters = kHyperparameters,
    .defaults = [] { return Adagrad(); },
    .slots = [](const OptimizerSpec& spec) -> std::vector<SlotSpec> {
      return {{"accumulator", spec.hyperparameters.at("initial_accumulator_value")}};
    },
    .rule = [](const OptimizerSpec& spec) -> Rule {
      return AdagradRule{spec.hyperparameters.at("epsilon")};
    },
    .set_factors = set_learning_rate};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Adagrad(const AdagradOptions& options) {
  return optim::make_spec(optim::kAdagrad, options,
                          {{"initial_accumulator_value", options.initial_accumulator_value},
                           {"epsilon", options.epsilon}});
}

}  // namespace sluice
