// Files that may be compressed with gzip; told by their first bytes, never by their names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/mapped_file.h"
#include "sluice/status.h"

namespace sluice::data {

bool is_gzip(std::span<const std::byte> bytes);

// Hands the decompressed bytes to `sink` piece by piece until it fails, and returns its failure.
// DATA_LOSS, beginning with `path`, when the stream is cut short, damaged (CRC-32) or followed by
// something else; several gzip members one after another are one stream, as gzip has it.
Status gunzip(const std::string& path, std::span<const std::byte> compressed,
              const std::function<Status(std::span<const std::byte>)>& sink);

// How many bytes a whole file has that begins with these (16, or all there are), or why it cannot
// be such a file.
using WholeSize = std::function<Result<uint64_t>(std::span<const std::byte> prefix)>;

// The bytes of the file at `path`: mapped, or decompressed into a temporary file that is mapped.
// Decompression ends with DATA_LOSS at more than `whole_size` bytes, so that a small damaged file
// cannot fill the disk; whether there are fewer, the caller sees.
Result<std::shared_ptr<const core::MappedFile>> open_maybe_gzip(const std::string& path,
                                                                const WholeSize& whole_size);

}  // namespace sluice::data
