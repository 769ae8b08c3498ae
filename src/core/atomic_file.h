// Replaces a file as a whole or not at all.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::core {

// Writes `parts` one after the other to a new file next to `path`, flushes it to the disk, renames
// it to `path` and flushes the directory. On failure what was at `path` is unchanged, and nothing
// is left behind. Refuses a `path` that is there and not a regular file.
Status replace_file(const std::string& path, const std::vector<std::span<const char>>& parts);

}  // namespace sluice::core
