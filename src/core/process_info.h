// Facts about this process and host.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::core {

// The most physical memory this process has had (VmHWM), in bytes; 0 where /proc does not tell.
int64_t peak_memory_bytes();

std::string host_name();

// Cores this process may run on (its affinity mask), at least 1.
int available_cores();

}  // namespace sluice::core
