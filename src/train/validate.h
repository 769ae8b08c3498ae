// What fit(), evaluate(), predict() and train() refuse before they begin.
#pragma once

#include <utility>

#include "sluice/dataset.h"
#include "sluice/model.h"
#include "sluice/trainer.h"

namespace sluice::train {

// Throw InvalidField for values that make no sense, in the words that a job has for them.
void validate(const FitOptions& options);
void validate(const EvaluateOptions& options);
void validate(const PredictOptions& options);
// Only what has another name in a job, which looks at the rest.
void validate(const TrainerOptions& options);

// To train with, and to validate on: the last `fraction`. Throws InvalidField where one of them
// would be empty.
std::pair<Dataset, Dataset> split_for_validation(const Dataset& dataset, double fraction);

}  // namespace sluice::train
