// Adadelta.
#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {{"rho", kDecay}, {"epsilon", kNotNegative}};

std::vector<SlotSpec> slots(const OptimizerSpec&) {
  return {{"accumulated_grad"}, {"accumulated_delta_var"}};
}

Rule rule(const OptimizerSpec& spec) {
  const float rho = spec.hyperparameters.at("rho");
  return AdadeltaRule{rho, one_minus(rho), spec.hyperparameters.at("epsilon")};
}

}  // namespace

constinit const Definition kAdadelta = {.name = "adadelta",
                                        .class_name = "Adadelta",
                                        .hyperparameters = kHyperparameters,
                                        .defaults = [] { return Adadelta(); },
                                        .slots = slots,
                                        .rule = rule,
                                        .set_factors = set_learning_rate};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec Adadelta(const AdadeltaOptions& options) {
  return optim::make_spec(optim::kAdadelta, options,
                          {{"rho", options.rho}, {"epsilon", options.epsilon}});
}

}  // namespace sluice
