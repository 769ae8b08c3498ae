// From a model to the graph that a backend compiles.
#pragma once

#include <string>
#include <vector>

#include "backend/graph.h"
#include "core/parameter_set.h"
#include "optim/parameter_ranges.h"
#include "sluice/model.h"

namespace sluice::nn {

class GraphBuilder;

// What a model's output is to learn, and, by name, what is measured of it.
struct OutputTask {
  LossSpec loss{};
  float weight = 1;                    // of the loss, beside other outputs'
  std::vector<std::string> metrics{};  // nn/metrics.h
};

// Throws std::invalid_argument for a metric that there is not.
std::vector<backend::GraphOutput> parse_tasks(const std::vector<OutputTask>& tasks);

// `outputs`: one for each of the model's, whose values are found here. Throws ShapeError for a
// model without an input shape or without layers.
backend::Graph lower(const Model& model, std::vector<backend::GraphOutput> outputs);
// The same loss for every output, and no metrics.
backend::Graph lower(const Model& model, const LossSpec& loss);

// Appends a model's calls in their order. `values`, of its inputs at first, becomes the graph's
// value of each of the model's.
void lower_calls(const Model::Impl& impl, std::vector<backend::ValueId>& values,
                 GraphBuilder& builder);

// Whether an optimizer steps a variable of the model's: it is no state, and its layer not frozen.
bool is_trained(const Model& model, const core::Variable& variable);

// What the optimizer's exclude_from_weight_decay names, in order and apart. Throws
// std::invalid_argument for a name that is none of the model's.
std::vector<ParameterRange> undecayed_ranges(const Model& model, const OptimizerSpec& optimizer);

}  // namespace sluice::nn
