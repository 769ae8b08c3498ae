// What training leaves in a model beside its weights: how it was trained, and how far its optimizer
// has come. Keras: what compile() is told, and the optimizer's variables.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sluice/losses.h"
#include "sluice/optimizers.h"

namespace sluice::nn {

struct TrainingState {
  OptimizerSpec optimizer{};
  // Of every output, and, by the outputs' names, of some; as FitOptions has them.
  LossSpec loss{};
  std::map<std::string, LossSpec> losses{};
  std::map<std::string, double> loss_weights{};
  std::vector<std::string> metrics{};

  // The optimizer's steps so far, and its slot variables by Keras' names ("momentum", "velocity"),
  // in optim::slots_of()'s order, each laid out as the model's parameters. What is not trained is
  // as it was before the first step. No slots: it has not begun, or nothing is known of it.
  int64_t iterations = 0;
  std::vector<std::pair<std::string, std::vector<float>>> slots{};
};

}  // namespace sluice::nn
