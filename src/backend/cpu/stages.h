// The stages of a graph: its fused ops (backend/fusion.h) with the layout and the type of what each
// takes and gives, and casts where neighbours disagree. The same for every batch size.
#pragma once

#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::backend::cpu {

// `graph` must be valid and outlive the stages.
std::vector<Stage> make_stages(const Graph& graph, Precision precision);

}  // namespace sluice::backend::cpu
