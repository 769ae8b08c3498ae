// From a model to the graph that a backend compiles.
#pragma once

#include <string>

#include "backend/graph.h"
#include "sluice/model.h"

namespace sluice::nn {

// "categorical_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error" or "mse", or
// Keras' class: "MeanSquaredError".
// Throws std::invalid_argument for any other name.
backend::Loss parse_loss(const std::string& name);

// Throws ShapeError for a model without an input shape or without layers.
backend::Graph lower(const Model& model, backend::Loss loss);

}  // namespace sluice::nn
