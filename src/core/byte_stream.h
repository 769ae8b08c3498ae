// Bytes as they come: of standard input, pipes, terminals and other devices.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "sluice/status.h"

namespace sluice::core {

// Whether the path is "-", standard input, or something that has no size and is read once: neither
// a file nor a folder.
bool is_stream(const std::string& path);

// Hands what comes to `sink` piece by piece, a little at once and much in larger pieces, until the
// end or until `sink` fails, and returns its failure. Whoever shall write to a pipe is waited for;
// after 2 s without a byte that is said, once. A status as file_error() when it cannot be read.
Status read_stream(const std::string& path,
                   const std::function<Status(std::span<const std::byte>)>& sink);

}  // namespace sluice::core
