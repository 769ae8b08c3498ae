// Files that may be compressed with gzip; told by their first bytes, never by their names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/input_file.h"
#include "core/mapped_file.h"
#include "sluice/status.h"

namespace sluice::data {

bool is_gzip(std::span<const std::byte> bytes);

using ByteSink = std::function<Status(std::span<const std::byte>)>;

// Hands the decompressed bytes to `sink` piece by piece until it fails, and returns its failure.
// DATA_LOSS, beginning with `path`, when the stream is cut short, damaged (CRC-32) or followed by
// something else; several gzip members one after another are one stream, as gzip has it.
Status gunzip(const std::string& path, std::span<const std::byte> compressed, const ByteSink& sink);

// The same with the bytes of a file, decompressed if need be. DATA_LOSS also when the file is
// written to meanwhile.
Status read_maybe_gzip(const core::InputFile& file, const ByteSink& sink);

// Of a file that has more than the `bytes` that it should have.
Status more_than(uint64_t bytes, const std::string& path);

// How many bytes a whole file has that begins with these (16, or all there are), or why it cannot
// be such a file.
using WholeSize = std::function<Result<uint64_t>(std::span<const std::byte> prefix)>;

// The bytes of a file: in the file itself, or decompressed into a temporary file that is mapped.
struct PlainFile {
  std::shared_ptr<const core::InputFile> file;
  std::shared_ptr<const core::MappedFile> unpacked;  // nullptr: the file is not compressed

  uint64_t size() const { return unpacked ? unpacked->bytes().size() : file->size(); }
  // As InputFile::read(). Bytes beyond the end are DATA_LOSS.
  Status read(uint64_t offset, std::span<std::byte> into) const;
};

// Decompression ends with DATA_LOSS at more than `whole_size` bytes, so that a small damaged file
// cannot fill the disk; whether there are fewer, the caller sees.
Result<PlainFile> open_maybe_gzip(const std::string& path, const WholeSize& whole_size);

}  // namespace sluice::data
