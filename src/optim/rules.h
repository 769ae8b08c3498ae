// What a step does to one element, the same source for CPUs and GPUs. Formulas and letters:
// sluice/optimizers.h.
//
// Every operation is rounded by itself: both devices' loops are compiled without contraction. So an
// element's result depends on that element alone, not on its place, the range's length, the
// instruction set or the device.
//
// A rule holds its constants, is called with an element's parameter, gradient and slots, and has
//
//   kSlots                                       floats of slots per parameter, at most kMostSlots
//   void operator()(const StepFactors& step, float& w, float g, float& slot...) const
#pragma once

#include <math.h>

#include <variant>

#if defined(__CUDACC__)
#define SLUICE_RULE __host__ __device__ __forceinline__
#else
#define SLUICE_RULE [[gnu::always_inline]] inline
#endif

namespace sluice::optim {

// What differs from step to step.
struct StepFactors {
  float rate = 0;             // what the step is multiplied by: lr, often with a correction in it
  float a = 0, b = 0, c = 0;  // of the optimizers that need more
  float decay = 0;            // weight_decay lr
  float keep = 0;             // what an average keeps of its old value
  float overwrite = 0;        // 1: parameters become their averages after the step
  float unused = 0;
};

struct SgdRule {
  static constexpr int kSlots = 0;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g) const {
    w -= step.rate * g;
  }
};

struct MomentumRule {
  static constexpr int kSlots = 1;
  float momentum;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m) const {
    m = momentum * m - step.rate * g;
    w += m;
  }
};

struct NesterovRule {
  static constexpr int kSlots = 1;
  float momentum;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m) const {
    const float change = step.rate * g;
    m = momentum * m - change;
    w += momentum * m - change;
  }
};

struct RmspropFactors {
  float rho, one_minus_rho, momentum, epsilon;
};

struct RmspropRule : RmspropFactors {
  static constexpr int kSlots = 1;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& v) const {
    v = rho * v + one_minus_rho * (g * g);
    w -= step.rate * g / sqrtf(v + epsilon);
  }
};

struct RmspropMomentumRule : RmspropFactors {
  static constexpr int kSlots = 2;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& v,
                              float& m) const {
    v = rho * v + one_minus_rho * (g * g);
    m = momentum * m + step.rate * g / sqrtf(v + epsilon);
    w -= m;
  }
};

struct CenteredRmspropRule : RmspropFactors {
  static constexpr int kSlots = 2;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& v,
                              float& a) const {
    v = rho * v + one_minus_rho * (g * g);
    a = rho * a + one_minus_rho * g;
    const float variance = v - a * a;
    w -= step.rate * g / sqrtf((variance < 0 ? 0 : variance) + epsilon);
  }
};

struct CenteredRmspropMomentumRule : RmspropFactors {
  static constexpr int kSlots = 3;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& v, float& m,
                              float& a) const {
    v = rho * v + one_minus_rho * (g * g);
    a = rho * a + one_minus_rho * g;
    const float variance = v - a * a;
    m = momentum * m + step.rate * g / sqrtf((variance < 0 ? 0 : variance) + epsilon);
    w -= m;
  }
};

struct AdagradRule {
  static constexpr int kSlots = 1;
  float epsilon;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& a) const {
    a += g * g;
    w -= step.rate * g / sqrtf(a + epsilon);
  }
};

struct AdadeltaRule {
  static constexpr int kSlots = 2;
  float rho, one_minus_rho, epsilon;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& a,
                              float& d) const {
    a = rho * a + one_minus_rho * (g * g);
    const float delta = -(sqrtf(d + epsilon) * g / sqrtf(a + epsilon));
    d = rho * d + one_minus_rho * (delta * delta);
    w += step.rate * delta;
  }
};

struct AdamFactors {
  float one_minus_beta_1, one_minus_beta_2, epsilon;
};

// rate: lr sqrt(1 - beta_2^t) / (1 - beta_1^t).
struct AdamRule : AdamFactors {
  static constexpr int kSlots = 2;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m,
                              float& v) const {
    m += (g - m) * one_minus_beta_1;
    v += (g * g - v) * one_minus_beta_2;
    w -= m * step.rate / (sqrtf(v) + epsilon);
  }
};

struct AmsgradRule : AdamFactors {
  static constexpr int kSlots = 3;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m, float& v,
                              float& u) const {
    m += (g - m) * one_minus_beta_1;
    v += (g * g - v) * one_minus_beta_2;
    u = v > u ? v : u;
    w -= m * step.rate / (sqrtf(u) + epsilon);
  }
};

// rate: lr / (1 - beta_1^t).
struct AdamaxRule {
  static constexpr int kSlots = 2;
  float one_minus_beta_1, beta_2, epsilon;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m,
                              float& u) const {
    const float size = fabsf(g), decayed = beta_2 * u;
    m += (g - m) * one_minus_beta_1;
    u = decayed > size ? decayed : size;
    w -= step.rate * m / (u + epsilon);
  }
};

// a: b_(t+1) / (1 - P_(t+1)).   b: (1 - b_t) / (1 - P_t).   c: 1 / (1 - beta_2^t).
struct NadamRule : AdamFactors {
  static constexpr int kSlots = 2;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m,
                              float& v) const {
    m += (g - m) * one_minus_beta_1;
    v += (g * g - v) * one_minus_beta_2;
    w -= (step.a * m + step.b * g) * step.rate / (sqrtf(v * step.c) + epsilon);
  }
};

struct LionRule {
  static constexpr int kSlots = 1;
  float beta_1, one_minus_beta_1, beta_2, one_minus_beta_2;
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& m) const {
    const float direction = m * beta_1 + g * one_minus_beta_1;
    // NaN, which has no sign, comes out as NaN.
    const float sign = direction > 0 ? 1.0f : direction < 0 ? -1.0f : direction;
    w -= step.rate * sign;
    m = m * beta_2 + g * one_minus_beta_2;
  }
};

// a: 2 l2 + beta / lr. A power of 1/2, the default, is a root, which all devices round alike.
template <bool is_root>
struct FtrlRule {
  static constexpr int kSlots = 2;
  float power, l1, two_l2_shrinkage;
  SLUICE_RULE float raised(float x) const { return is_root ? sqrtf(x) : powf(x, power); }
  SLUICE_RULE void operator()(const StepFactors& step, float& w, float g, float& a,
                              float& z) const {
    const float sum = a + g * g, root = raised(sum);
    z += (g + two_l2_shrinkage * w) - (root - raised(a)) / step.rate * w;
    a = sum;
    const float clipped = z < -l1 ? -l1 : z > l1 ? l1 : z;
    w = (clipped - z) / (root / step.rate + step.a);
  }
};

using Rule = std::variant<SgdRule, MomentumRule, NesterovRule, RmspropRule, RmspropMomentumRule,
                          CenteredRmspropRule, CenteredRmspropMomentumRule, AdagradRule,
                          AdadeltaRule, AdamRule, AmsgradRule, AdamaxRule, NadamRule, LionRule,
                          FtrlRule<true>, FtrlRule<false>>;

// --- What every optimizer has besides ---

// Before the rule: clipping by value and weight decay.
struct Preparation {
  bool is_needed = false;  // otherwise both change nothing
  float most = INFINITY;   // clipvalue
  SLUICE_RULE float clipped(float g) const { return g < -most ? -most : g > most ? most : g; }
  SLUICE_RULE float decayed(const StepFactors& step, float w) const { return w - w * step.decay; }
};

// Behind the rule, with use_ema.
SLUICE_RULE void step_average(const StepFactors& step, float& w, float& average) {
  average = step.keep * average + (1.0f - step.keep) * w;
  if (step.overwrite != 0) w = average;
}

}  // namespace sluice::optim
