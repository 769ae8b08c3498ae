// The work that a training step cannot do without, and the time that it takes at a card's measured
// rates.
//
// Operations, a multiplication and an addition being two, for a batch of N:
//
//   convolution   2 N H W F (kernel_h kernel_w C) forward, H W of its output, F filters
//   dense layer   2 N F units forward
//   backward      the same again for the gradient of the kernel, and once more for the gradient of
//                 the input, which the first layer does not need
//
// Everything else adds up to a few hundredths of it and is counted by its bytes:
//
//   activations   the output of each layer, its bias and activation included, is written once and
//                 read once, and so is its gradient; the input is read once
//   parameters    read and written once, with the optimizer's slots; gradients likewise
//
// Activations and their gradients have 4 bytes, or 2 in mixed_bfloat16; all else has 4. A cache
// that keeps some of it can beat the bytes' part of the floor, nothing can beat the operations'.
#pragma once

#include "backend/cuda_plugin.h"
#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::bench {

struct StepWork {
  double flops = 0;
  double bytes = 0;
};

// `slots`: values that the optimizer keeps for each parameter; Adam: 2.
StepWork step_work(const backend::Graph& graph, int64_t batch, backend::Precision precision,
                   int slots);

// The larger of what the operations take and what the bytes take. 0: not known.
double floor_seconds(const StepWork& work, const backend::GpuRates& rates,
                     backend::Precision precision);

}  // namespace sluice::bench
