// clipnorm and global_clipnorm of sluice/optimizers.h, which need all gradients at once.
#pragma once

#include "optim/rules.h"
#include "sluice/optimizers.h"

namespace sluice::optim {

struct NormClip {
  float each = 0;    // the norm that each parameter's gradient has at most; 0: any
  float global = 0;  // likewise, all together
  bool is_needed() const { return each > 0 || global > 0; }
};

inline NormClip norm_clip_of(const OptimizerSpec& spec) {
  return {spec.clipnorm, spec.global_clipnorm};
}

// What gradients are multiplied by, from the square of their norm: of each parameter's, and of all
// together. As in Keras, what is not finite stays so.
SLUICE_RULE double clip_scale(const NormClip& clip, double square_of_each, double square_of_all) {
  if (clip.global > 0) {
    const double norm = sqrt(square_of_all);
    return (norm <= clip.global ? 1.0 : clip.global / norm) + (norm - norm);
  }
  const double norm = sqrt(square_of_each);
  return norm <= clip.each ? 1.0 : clip.each / norm;
}

}  // namespace sluice::optim
