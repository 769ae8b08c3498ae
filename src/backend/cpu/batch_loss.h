// The losses of a whole batch; formulas in backend/batch_losses.h.
#pragma once

#include <cstdint>

#include "backend/cpu/loss.h"

namespace sluice::backend::cpu {

// The mean loss of a batch, with its samples' weights but without the output's; the arguments are
// those of compute_loss().
double batch_loss(const LossOptions& options, int64_t rows, const float* z, const float* y,
                  float* gradient, float* scratch);

}  // namespace sluice::backend::cpu
