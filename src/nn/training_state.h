// What training leaves in a model beside its weights: how it was trained, and how far its optimizer
// has come. Keras: what compile() is told, and the optimizer's variables.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "optim/optimizer.h"
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

  // Slots of what is not trained are as before the first step. No slots: the optimizer has not
  // begun, or nothing is known of it.
  optim::OptimizerState optimizer_state{};
};

}  // namespace sluice::nn
