// Replaces a file as a whole or not at all.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::core {

// Writes `parts` one after the other to a new file next to `path`, flushes it to the disk, renames
// it to `path` and flushes the directory. On failure what was at `path` is unchanged, and nothing
// is left behind. Where `path` is a symbolic link, it stays one and its target is replaced. What
// cannot be replaced is written to in place: a device, a pipe, this process's standard output or
// error.
Status replace_file(const std::string& path, const std::vector<std::span<const char>>& parts);

// Whether replace_file() can be expected to work: tries it with a temporary file in the folder,
// which is removed again.
Status can_replace_file(const std::string& path);

// Where a chain of links that begins at `path` ends, whether something is there or not.
std::string follow_links(const std::string& path);

// Whether what is written to `path` goes where this process's standard output goes.
bool is_standard_output(const std::string& path);

}  // namespace sluice::core
