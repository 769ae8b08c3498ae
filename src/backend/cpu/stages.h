// From a graph to the stages of a program: checks the graph, drops what costs nothing, fuses
// neighbours, chooses layouts and types. Knows nothing of batch sizes.
#pragma once

#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::backend::cpu {

// Throws ShapeError when the shapes of the ops do not fit each other, std::invalid_argument for
// other mistakes, naming the op.
void validate(const Graph& graph);

// Whether the last op is a softmax that the loss computes together with its own gradient.
bool loss_takes_logits(const Graph& graph);

// `graph` must be valid and outlive the stages.
std::vector<Stage> make_stages(const Graph& graph, Precision precision);

}  // namespace sluice::backend::cpu
