// Helpers for reading and writing files: errors that name the file, and writes that are complete.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "sluice/status.h"

namespace sluice::core {

// "cannot open /data/x.csv: No such file or directory; check the path", with the code that fits
// `error` (an errno). `advice` may be empty.
Status file_error(const std::string& what, int error, const std::string& advice = "");

// Writes all of `bytes` to an open file; the errno of the failure, or 0. EFBIG where a limit on
// file sizes (ulimit -f) is passed, without the signal that usually ends the process then.
int write_fully(int fd, std::span<const std::byte> bytes);

// The text of a file. A status as file_error() when it cannot be read; INVALID_ARGUMENT: it is
// empty, or larger than `most_bytes`.
Result<std::string> read_text(const std::string& path, size_t most_bytes = size_t{256} << 20);

// `path` seen from the root, or as it is when the working folder is gone.
std::string absolute_path(const std::string& path);

}  // namespace sluice::core
