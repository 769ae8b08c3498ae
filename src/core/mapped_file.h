// Temporary files of this process alone as spans of bytes: written once and then mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::core {

// A file's bytes, mapped read-only, so that they may be more than memory has room for. The file
// must have no name: whoever cut it short would kill its readers with SIGBUS. Files of others are
// read by calls instead (core/input_file.h). Immutable; safe to read from several threads.
class MappedFile {
 public:
  // Maps what has been written to the open file `fd`, which may be closed afterwards.
  static Result<std::shared_ptr<const MappedFile>> map(int fd, const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

// A temporary file in $TMPDIR (or /tmp) that has no name: it is gone when the process is, however
// that ends. Written front to back, then mapped. Where /tmp is kept in memory, set TMPDIR to a
// folder on a disk for data larger than memory.
class TempFile {
 public:
  // RESOURCE_EXHAUSTED or PERMISSION_DENIED, naming the folder.
  static Result<TempFile> create();

  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&& other) noexcept;
  ~TempFile();

  // Appends. RESOURCE_EXHAUSTED when the disk is full; the file is of no use then.
  Status write(std::span<const std::byte> bytes);
  int64_t size() const { return size_; }
  // Everything written so far. Nothing more may be written afterwards.
  Result<std::shared_ptr<const MappedFile>> map();

 private:
  TempFile(int fd, std::string folder) : fd_(fd), folder_(std::move(folder)) {}
  Status flush();

  int fd_ = -1;
  std::string folder_;
  int64_t size_ = 0;
  std::vector<std::byte> buffer_;  // what has not reached the file yet
};

}  // namespace sluice::core
