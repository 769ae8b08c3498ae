// The port that a process listens at, in a file: for scripts that let the system choose it.
#pragma once

#include <string>

#include "sluice/status.h"

namespace sluice::launch {

// Writes the port of `address` ("HOST:PORT") and a line's end to `path`, as a whole or not at all.
// Does nothing when `path` is empty. INVALID_ARGUMENT: the address has no port. Others as
// core::replace_file().
Status write_port_file(const std::string& path, const std::string& address);

}  // namespace sluice::launch
