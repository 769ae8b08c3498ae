// From a graph to the stages of a program: fused ops with their layouts and types. Knows nothing of
// batch sizes.
#pragma once

#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::backend::cpu {

// `graph` must be valid and outlive the stages.
std::vector<Stage> make_stages(const Graph& graph, Precision precision);

}  // namespace sluice::backend::cpu
