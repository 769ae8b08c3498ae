// Compiled without contraction and errno (CMakeLists.txt), so that the vector body and the scalar
// tail of a loop, and the loops for every instruction set, round alike.
#include "optim/update.h"

#include "core/simd.h"

namespace sluice::optim {
namespace {

// An element is held in registers while the rule changes it.
template <typename R, bool prepares>
SLUICE_SIMD void loop(R rule, Preparation preparation, StepFactors step, size_t n,
                      float* __restrict w, const float* __restrict g, float* __restrict s0,
                      float* __restrict s1, float* __restrict s2) {
  for (size_t i = 0; i < n; ++i) {
    float wi = w[i], gi = g[i];
    if constexpr (prepares) {
      gi = preparation.clipped(gi);
      wi = preparation.decayed(step, wi);
    }
    if constexpr (R::kSlots == 0) {
      rule(step, wi, gi);
    } else if constexpr (R::kSlots == 1) {
      float a = s0[i];
      rule(step, wi, gi, a);
      s0[i] = a;
    } else if constexpr (R::kSlots == 2) {
      float a = s0[i], b = s1[i];
      rule(step, wi, gi, a, b);
      s0[i] = a;
      s1[i] = b;
    } else {
      float a = s0[i], b = s1[i], c = s2[i];
      rule(step, wi, gi, a, b, c);
      s0[i] = a;
      s1[i] = b;
      s2[i] = c;
    }
    w[i] = wi;
  }
}

}  // namespace

SLUICE_SIMD void update_averages(StepFactors step, size_t size, float* __restrict w,
                                 float* __restrict averages) {
  for (size_t i = 0; i < size; ++i) step_average(step, w[i], averages[i]);
}

void update(const Rule& rule, const Preparation& preparation, const StepFactors& step,
            const UpdateRange& range) {
  std::visit(
      [&]<typename R>(const R& chosen) {
        const auto run = preparation.is_needed ? loop<R, true> : loop<R, false>;
        run(chosen, preparation, step, range.size, range.w, range.g, range.slots[0], range.slots[1],
            range.slots[2]);
      },
      rule);
  if (range.averages != nullptr) update_averages(step, range.size, range.w, range.averages);
}

}  // namespace sluice::optim
