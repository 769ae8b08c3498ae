// Floats and integers are stored and sent as the bytes that they have in memory: in payloads, in
// records, in checkpoints. So all machines of a job, and all readers of a file, must agree on
// those.
//
// Included where such bytes are read or written: a machine with another byte order would need
// conversions there.
#pragma once

#include <bit>
#include <limits>

namespace sluice::core {

static_assert(std::endian::native == std::endian::little,
              "bytes are stored and sent little-endian");
static_assert(std::numeric_limits<float>::is_iec559 && sizeof(float) == 4,
              "floats are stored and sent as IEEE 754 binary32");

}  // namespace sluice::core
