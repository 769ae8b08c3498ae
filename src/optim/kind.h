// The optimizers as an enumeration, by which a device chooses its kernel.
#pragma once

#include "sluice/optimizers.h"

namespace sluice::optim {

enum class Kind { kSgd, kRmsprop, kAdagrad, kAdam };

// Throws std::invalid_argument, saying which there are, for a name that is none.
Kind kind_of(const OptimizerSpec& spec);

}  // namespace sluice::optim
