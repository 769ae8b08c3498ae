// From a model to the graph that a backend compiles.
#pragma once

#include <string>

#include "backend/graph.h"
#include "core/parameter_set.h"
#include "sluice/model.h"

namespace sluice::nn {

// "categorical_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error" or "mse", or
// Keras' class: "MeanSquaredError".
// Throws std::invalid_argument for any other name.
backend::Loss parse_loss(const std::string& name);

// Throws ShapeError for a model without an input shape or without layers.
backend::Graph lower(const Model& model, backend::Loss loss);

// Whether an optimizer steps a variable of the model's: it is no state, and its layer not frozen.
bool is_trained(const Model& model, const core::Variable& variable);

}  // namespace sluice::nn
