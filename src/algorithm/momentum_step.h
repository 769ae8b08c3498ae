// SGD with Nesterov's momentum over what windows changed: `change` points downhill, so with D the
// descent sign's pseudo-gradient of the literature, change = -D.
#pragma once

#include <cstddef>

namespace sluice::algorithm {

// m = momentum m + change;   out = theta + rate (change + momentum m)
//
// As PyTorch's SGD(nesterov=True): theta is stored at the look-ahead point. `out` may be `change`.
// What is not finite in `change` stays in m, and in theta, for ever. Nothing here looks for it:
// with or without momentum it has reached the centre that all workers go on from, and the job says
// in one line that its network has died (show/divergence.h).
void nesterov_step(float rate, float momentum, const float* theta, const float* change, float* m,
                   float* out, size_t n);

}  // namespace sluice::algorithm
