// Losses that take probabilities, and outputs that are none.
#pragma once

#include <vector>

#include "nn/lowering.h"
#include "sluice/model.h"

namespace sluice::train {

// Logs a warning, once for a model, where a loss takes probabilities and the model's outputs are
// none, such as logits: the job trains, but to nonsense. Of the outputs of a layer of the program's
// own nothing is known. The model is one that fits the losses.
void warn_of_logits(const Model& model, const std::vector<nn::OutputTask>& tasks);

}  // namespace sluice::train
