// From a model to the graph that a backend compiles.
#pragma once

#include <vector>

#include "backend/graph.h"
#include "core/parameter_set.h"
#include "sluice/model.h"

namespace sluice::nn {

// What is made small of an output, and how much it counts beside the others.
struct OutputLoss {
  LossSpec loss;
  float weight = 1;

  bool operator==(const OutputLoss&) const = default;
};

// Throws ShapeError for a model without an input shape or without layers. `losses`: one for each
// output.
backend::Graph lower(const Model& model, const std::vector<OutputLoss>& losses);
// The same loss for every output.
backend::Graph lower(const Model& model, const LossSpec& loss);

// Whether an optimizer steps a variable of the model's: it is no state, and its layer not frozen.
bool is_trained(const Model& model, const core::Variable& variable);

}  // namespace sluice::nn
