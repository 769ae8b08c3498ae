// Several models of one architecture as one, whose output is the mean of theirs: what the trainer
// "ensemble" trains, and leaves (algorithm/ensemble.cc).
#pragma once

#include <cstdint>

#include "sluice/model.h"

namespace sluice::train {

// `count` copies of the model, "model_1" and so on, side by side on its inputs, and their Average.
// Weights that somebody has trained or read from a file they all have; where the model's are as
// they were drawn, those of all but the first are drawn anew, by `seed`. Throws ShapeError for a
// model that is not built or too large, std::invalid_argument for one of several outputs and for a
// count that is not 1 to 32.
Model combine(const Model& model, int64_t count, uint64_t seed);

// Whether combine() has put so many together.
bool is_combined(const Model& model, int64_t count);

// The first of the models that combine() has put together. Throws InvalidField for a model that it
// has not made of so many.
Model one_of(const Model& combined, int64_t count);

}  // namespace sluice::train
