// The real world: the steady clock, a thread for every strand, the system's randomness, and the
// disk below $TMPDIR.
#pragma once

#include "core/world.h"

namespace sluice::core {

// The only one; lives as long as the process.
World& real_world();

}  // namespace sluice::core
