// How much work an operation is.
#pragma once

#include <cstdint>

#include "backend/graph.h"

namespace sluice::backend {

// Products that are summed up for one sample in the forward pass: those of convolutions and dense
// layers, without biases; 0 for all others, which take a few operations for each element.
int64_t multiply_adds(const Graph& graph, const Op& op);

}  // namespace sluice::backend
