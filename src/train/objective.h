// What is asked of a model's outputs, by name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nn/model_impl.h"
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

// Of options that may name no losses: those that the model was trained with, if it was.
template <typename Options>
Objective objective_of(const Options& options, const Model& model) {
  const std::optional<nn::TrainingState>& training = model.impl().training;
  if (!options.loss && options.losses.empty() && training) {
    return {training->loss, training->losses,
            options.loss_weights.empty() ? training->loss_weights : options.loss_weights,
            options.metrics};
  }
  return {options.loss.value_or("categorical_crossentropy"), options.losses, options.loss_weights,
          options.metrics};
}

}  // namespace sluice::train
