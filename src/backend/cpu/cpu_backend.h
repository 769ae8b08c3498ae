// The CPU as a Backend: oneDNN primitives, and our own vectorised kernels where oneDNN's are
// slower.
#pragma once

#include <memory>

#include "backend/replica.h"

namespace sluice::backend {

std::shared_ptr<Backend> make_cpu_backend();

}  // namespace sluice::backend
