// One pass over memory per optimizer step. All elementwise; formulas in sluice/optimizers.h.
//
// w parameters, g gradients, the others slots; all spans of one length. Every operation is rounded
// by itself (no fused multiply-add), so an element's result depends on that element alone: not on
// its place, the range's length or the instruction set.
#pragma once

#include <cstddef>
#include <span>

namespace sluice::optim {

// 1 - value, as Keras gets it: in double, from the decimal number that was written. Float
// arithmetic would make 0.00099998 of 1 - 0.999 and Adam's v 1.3e-5 too small.
float one_minus(float value);

// Pointers to the first of `size` elements; none overlaps another.
struct UpdateRange {
  size_t size = 0;
  float* w = nullptr;
  const float* g = nullptr;
};

void sgd_update(const UpdateRange& range, float learning_rate);
void sgd_momentum_update(const UpdateRange& range, float* m, float learning_rate, float momentum);
void sgd_nesterov_update(const UpdateRange& range, float* m, float learning_rate, float momentum);

struct RmspropFactors {
  float learning_rate, rho, one_minus_rho, momentum, epsilon;
};
// `m` is null without momentum, `a` is null when not centered.
void rmsprop_update(const UpdateRange& range, float* v, float* m, float* a,
                    const RmspropFactors& factors);

void adagrad_update(const UpdateRange& range, float* a, float learning_rate, float epsilon);

struct AdamFactors {
  float step_size;  // learning rate, corrected for the bias of m and v
  float one_minus_beta_1, one_minus_beta_2, epsilon;
};
void adam_update(const UpdateRange& range, float* m, float* v, const AdamFactors& factors);

}  // namespace sluice::optim
