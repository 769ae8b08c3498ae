// From a graph to what is worth a kernel: what costs nothing is dropped, an elementwise activation
// goes along with the convolution or dense layer before it, a last softmax with the loss. Knows
// nothing of batch sizes and devices.
#pragma once

#include <vector>

#include "backend/graph.h"

namespace sluice::backend {

struct FusedOp {
  const Op* op = nullptr;
  Activation activation = Activation::kLinear;  // behind it; never softmax
};

// `graph` must be valid and outlive the result.
std::vector<FusedOp> fuse(const Graph& graph);

// Whether the last op is a softmax that the loss computes together with its own gradient.
bool loss_takes_logits(const Graph& graph);

bool has_parameters(const Op& op);

// What Precision::kMixedBfloat16 computes in bfloat16: convolutions, dense layers and poolings.
bool computes_in_bfloat16(const Op& op);

}  // namespace sluice::backend
