// The optimizer's step, one kernel over all P trained parameters and their slots; what it does to
// an element is in optim/rules.h. Compiled without contraction, so that an element gets the same
// bits as from optim::Optimizer on the CPU.
//
//   w, g, slots, averages [P] float32       bfloat16_w [P], where there is one: w rounded
//   undecayed [P / kArenaBlock]             1 where weight decay does not reach
#include "backend/cuda/device_math.cuh"
#include "optim/update.h"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

struct Slots {
  float* of[optim::kMostSlots];
};

template <typename Rule, bool prepares>
__global__ void optimizer_kernel(Rule rule, optim::Preparation preparation,
                                 const optim::StepFactors* factors, int64_t size, float* w,
                                 const float* g, Slots slots, float* averages,
                                 const uint8_t* undecayed, __nv_bfloat16* bfloat16_w) {
  optim::StepFactors step = *factors;
  const float decay = step.decay;
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    float wi = w[i], gi = g[i];
    if constexpr (prepares) {
      gi = preparation.clipped(gi);
      if (undecayed != nullptr) step.decay = undecayed[i / kArenaBlock] != 0 ? 0 : decay;
      wi = preparation.decayed(step, wi);
    }
    if constexpr (Rule::kSlots == 0) {
      rule(step, wi, gi);
    } else if constexpr (Rule::kSlots == 1) {
      rule(step, wi, gi, slots.of[0][i]);
    } else if constexpr (Rule::kSlots == 2) {
      rule(step, wi, gi, slots.of[0][i], slots.of[1][i]);
    } else {
      rule(step, wi, gi, slots.of[0][i], slots.of[1][i], slots.of[2][i]);
    }
    if (averages != nullptr) optim::step_average(step, wi, averages[i]);
    w[i] = wi;
    if (bfloat16_w != nullptr) bfloat16_w[i] = from_float<__nv_bfloat16>(wi);
  }
}

// --- Launchers ---

template <bool prepares, typename Rule>
void step(const Rule& rule, const optim::Preparation& preparation,
          const optim::StepFactors* factors, const OptimizerArena& arena, cudaStream_t stream) {
  Slots slots{};
  for (size_t i = 0; i < arena.slots.size(); ++i) slots.of[i] = arena.slots[i];
  launch(optimizer_kernel<Rule, prepares>, grid_for(arena.size), stream, rule, preparation, factors,
         arena.size, arena.w, arena.g, slots, arena.averages, arena.undecayed,
         static_cast<__nv_bfloat16*>(arena.bfloat16_w));
}

}  // namespace

void optimizer_step(const optim::Rule& rule, const optim::Preparation& preparation,
                    const optim::StepFactors* factors, const OptimizerArena& arena,
                    cudaStream_t stream) {
  std::visit(
      [&](const auto& chosen) {
        if (preparation.is_needed) {
          step<true>(chosen, preparation, factors, arena, stream);
        } else {
          step<false>(chosen, preparation, factors, arena, stream);
        }
      },
      rule);
}

}  // namespace sluice::backend::cuda
