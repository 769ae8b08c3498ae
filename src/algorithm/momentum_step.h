// SGD with Nesterov's momentum over what windows changed: `change` points downhill, so with D the
// descent sign's pseudo-gradient of the literature, change = -D.
#pragma once

#include <cstddef>

namespace sluice::algorithm {

// m = momentum m + change;   out = theta + rate (change + momentum m)
//
// As PyTorch's SGD(nesterov=True): theta is stored at the look-ahead point. `out` may be `change`.
void nesterov_step(float rate, float momentum, const float* theta, const float* change, float* m,
                   float* out, size_t n);

}  // namespace sluice::algorithm
