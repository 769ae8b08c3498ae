// From a model to the graph that a backend compiles.
#pragma once

#include "backend/graph.h"
#include "core/parameter_set.h"
#include "sluice/model.h"

namespace sluice::nn {

// Throws ShapeError for a model without an input shape or without layers.
backend::Graph lower(const Model& model, const LossSpec& loss);

// Whether an optimizer steps a variable of the model's: it is no state, and its layer not frozen.
bool is_trained(const Model& model, const core::Variable& variable);

}  // namespace sluice::nn
