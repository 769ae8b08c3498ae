// What is asked of a model's outputs, by name.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sluice/losses.h"

namespace sluice::train {

// What FitOptions, EvaluateOptions and TrainerOptions have in common.
struct Objective {
  LossSpec loss;  // of every output that `losses` does not name
  std::map<std::string, LossSpec> losses{};
  std::map<std::string, double> loss_weights{};
  std::vector<std::string> metrics{};
};

template <typename Options>
Objective objective_of(const Options& options) {
  return {options.loss, options.losses, options.loss_weights, options.metrics};
}

}  // namespace sluice::train
