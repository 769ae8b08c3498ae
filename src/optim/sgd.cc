// Stochastic gradient descent, with or without momentum.
#include "optim/definition.h"

namespace sluice::optim {
namespace {

constexpr Hyperparameter kHyperparameters[] = {{"momentum", kFraction}, {"nesterov", kFlag}};

std::vector<SlotSpec> slots(const OptimizerSpec& spec) {
  if (spec.hyperparameters.at("momentum") > 0) return {{"momentum"}};
  return {};
}

Rule rule(const OptimizerSpec& spec) {
  const float momentum = spec.hyperparameters.at("momentum");
  if (momentum == 0) return SgdRule{};
  if (spec.hyperparameters.at("nesterov") != 0) return NesterovRule{momentum};
  return MomentumRule{momentum};
}

}  // namespace

constinit const Definition kSgd = {.name = "sgd",
                                   .class_name = "SGD",
                                   .hyperparameters = kHyperparameters,
                                   .defaults = [] { return SGD(); },
                                   .slots = slots,
                                   .rule = rule,
                                   .set_factors = set_learning_rate};

}  // namespace sluice::optim

namespace sluice {

OptimizerSpec SGD(const SgdOptions& options) {
  return optim::make_spec(
      optim::kSgd, options,
      {{"momentum", options.momentum}, {"nesterov", options.nesterov ? 1.0f : 0.0f}});
}

}  // namespace sluice
