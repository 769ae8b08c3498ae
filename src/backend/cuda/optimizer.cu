// The optimizer's step, one kernel over all P parameters and their slots; formulas in
// sluice/optimizers.h. Compiled without contraction, so that an element gets the same bits as from
// optim::Optimizer on the CPU, Adam's for the same step size.
//
//   w, g, slots [P] float32        bfloat16_w [P], where there is one: w rounded, for the kernels
#include "backend/cuda/device_math.cuh"
#include "optim/decimal.h"
#include "optim/kind.h"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

// Each steps element i: given its gradient, returns what is taken off w_i.

struct Sgd {
  float learning_rate;
  __device__ float operator()(int64_t, float g) const { return learning_rate * g; }
};

struct SgdMomentum {
  float* m;
  float learning_rate, momentum;
  bool nesterov;
  __device__ float operator()(int64_t i, float g) const {
    const float step = learning_rate * g;
    m[i] = momentum * m[i] - step;
    return nesterov ? -(momentum * m[i] - step) : -m[i];
  }
};

struct Rmsprop {
  float* v;
  float* m;  // nullptr without momentum
  float* a;  // nullptr when not centered
  float learning_rate, rho, one_minus_rho, momentum, epsilon;
  __device__ float operator()(int64_t i, float g) const {
    v[i] = rho * v[i] + one_minus_rho * (g * g);
    float variance = v[i];
    if (a != nullptr) {
      a[i] = rho * a[i] + one_minus_rho * g;
      variance = fmaxf(v[i] - a[i] * a[i], 0.0f);
    }
    const float step = learning_rate * g / sqrtf(variance + epsilon);
    if (m == nullptr) return step;
    m[i] = momentum * m[i] + step;
    return m[i];
  }
};

struct Adagrad {
  float* a;
  float learning_rate, epsilon;
  __device__ float operator()(int64_t i, float g) const {
    a[i] += g * g;
    return learning_rate * g / sqrtf(a[i] + epsilon);
  }
};

struct Adam {
  float* m;
  float* v;
  const StepState* state;
  float one_minus_beta_1, one_minus_beta_2, epsilon;
  __device__ float operator()(int64_t i, float g) const {
    m[i] += (g - m[i]) * one_minus_beta_1;
    v[i] += (g * g - v[i]) * one_minus_beta_2;
    return m[i] * state->adam_step_size / (sqrtf(v[i]) + epsilon);
  }
};

template <typename Rule>
__global__ void optimizer_kernel(Rule rule, int64_t size, float* w, const float* g,
                                 __nv_bfloat16* bfloat16_w) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const float stepped = w[i] - rule(i, g[i]);
    w[i] = stepped;
    if (bfloat16_w != nullptr) bfloat16_w[i] = from_float<__nv_bfloat16>(stepped);
  }
}

// --- Launchers ---

template <typename Rule>
void step(const Rule& rule, const OptimizerArena& arena, cudaStream_t stream) {
  launch(optimizer_kernel<Rule>, grid_for(arena.size), stream, rule, arena.size, arena.w, arena.g,
         static_cast<__nv_bfloat16*>(arena.bfloat16_w));
}

}  // namespace

void optimizer_step(const OptimizerSpec& spec, const OptimizerArena& arena, const StepState* state,
                    cudaStream_t stream) {
  const std::vector<float*>& slots = arena.slots;
  switch (optim::kind_of(spec)) {
    case optim::Kind::kSgd:
      if (slots.empty()) return step(Sgd{spec.learning_rate}, arena, stream);
      return step(SgdMomentum{slots[0], spec.learning_rate, spec.momentum, spec.nesterov}, arena,
                  stream);
    case optim::Kind::kRmsprop:
      return step(Rmsprop{.v = slots[0],
                          .m = spec.momentum > 0 ? slots[1] : nullptr,
                          .a = spec.centered ? slots.back() : nullptr,
                          .learning_rate = spec.learning_rate,
                          .rho = spec.rho,
                          .one_minus_rho = optim::one_minus(spec.rho),
                          .momentum = spec.momentum,
                          .epsilon = spec.epsilon},
                  arena, stream);
    case optim::Kind::kAdagrad:
      return step(Adagrad{slots[0], spec.learning_rate, spec.epsilon}, arena, stream);
    case optim::Kind::kAdam:
      return step(Adam{slots[0], slots[1], state, optim::one_minus(spec.beta_1),
                       optim::one_minus(spec.beta_2), spec.epsilon},
                  arena, stream);
  }
}

}  // namespace sluice::backend::cuda
