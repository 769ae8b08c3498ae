// Helpers for reading and writing files: errors that name the file, and writes that are complete.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/status.h"

namespace sluice::core {

// "cannot open /data/x.csv: No such file or directory; check the path", with the code that fits
// `error` (an errno). `advice` may be empty; where this process has too many open files, that has
// its own.
Status file_error(const std::string& what, int error, const std::string& advice = "");

// Writes all of `bytes` to an open file; the errno of the failure, or 0. EFBIG where a limit on
// file sizes (ulimit -f) is passed, without the signal that usually ends the process then.
int write_fully(int fd, std::span<const std::byte> bytes);

// How many bytes a file may have that begins with these (up to 4096).
using MostBytes = std::function<size_t(std::string_view)>;

// All of a file, which is opened once: a pipe or a terminal will do. Whoever shall write to that is
// waited for; after 2 s that is said, once. A status as file_error() when it cannot be read;
// INVALID_ARGUMENT: it is larger than it may be.
Result<std::string> read_file(const std::string& path, const MostBytes& most);

// The text of a file, likewise. A status as file_error() when it cannot be read; INVALID_ARGUMENT:
// it is empty, or larger than `most_bytes`.
Result<std::string> read_text(const std::string& path, size_t most_bytes = size_t{256} << 20);

// `path` seen from the root, or as it is when the working folder is gone.
std::string absolute_path(const std::string& path);

}  // namespace sluice::core
