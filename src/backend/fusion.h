// Reduces a graph to the operations that need a kernel of their own. Identities (reshapes, linear
// activations, dropout of rate 0) are left out; an elementwise activation is fused into the
// convolution or dense layer before it, and a last softmax into the crossentropy. The result holds
// for every batch size and device.
#pragma once

#include <vector>

#include "backend/graph.h"

namespace sluice::backend {

struct FusedOp {
  const Op* op = nullptr;
  Activation activation = Activation::kLinear;  // applied to op's output; never softmax
};

// `graph` must be valid and outlive the result.
std::vector<FusedOp> fuse(const Graph& graph);

// Whether the last op is a softmax that the loss computes together with its own gradient.
bool loss_takes_logits(const Graph& graph);

// Whether training changes anything in the op.
bool has_parameters(const Op& op);

// What Precision::kMixedBfloat16 computes in bfloat16: convolutions, dense layers and poolings.
bool computes_in_bfloat16(const Op& op);

}  // namespace sluice::backend
