// Writes to standard error that never block: otherwise a server whose last message went into a full
// pipe would never end.
#pragma once

#include <string_view>

namespace sluice::core {

// Writes `text` to standard error without waiting. What a pipe, a terminal or a socket has no room
// for is lost; when there is room again, a line says how many were. Where the reader is gone,
// standard error is closed, or a file that it is may not grow, nothing happens, no signal either.
// Thread-safe.
void write_to_standard_error(std::string_view text);

}  // namespace sluice::core
