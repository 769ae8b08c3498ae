// Whether a model, its losses and a dataset go together.
#pragma once

#include <map>
#include <vector>

#include "data/records.h"
#include "nn/lowering.h"
#include "sluice/model.h"

namespace sluice::train {

// Throws std::invalid_argument when the model cannot take the dataset's records or targets.
void check_fits(const Model& model, const data::RecordsInfo& info,
                const std::vector<nn::OutputTask>& tasks);

// The weight of each class, from those that were given; none: none were. Throws InvalidField,
// naming class_weight, for a class that the dataset does not have, or targets that are no classes.
std::vector<float> class_weights(const std::map<int, float>& given, const data::RecordsInfo& info);

// What a job takes the values of a CSV file's target column for: numbers to predict where the loss
// is mse and the model has one output of one number, classes for all others.
bool predicts_numbers(const Model& model, const LossSpec& loss);

}  // namespace sluice::train
