// Files that somebody else may write to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "sluice/status.h"

namespace sluice::core {

// What a file was like when it was opened. A file that is written to gets another one.
struct FileStamp {
  uint64_t bytes = 0;
  int64_t modified_ns = 0;  // since 1970

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// A file open for reading. It is never mapped: a mapped file that is cut short kills its readers
// with a signal (SIGBUS), while a call that reads it fails. A file that is removed, or replaced by
// renaming another onto it, is still read as it was. Safe to use from several threads.
class InputFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED or INVALID_ARGUMENT (a folder, a pipe), naming the path.
  static Result<std::shared_ptr<const InputFile>> open(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return stamp_.bytes; }  // when it was opened
  const FileStamp& stamp() const { return stamp_; }

  // Fills `into` from byte `offset` on. DATA_LOSS when the file ends before; whether it has been
  // written to without becoming shorter, check_unchanged() says.
  Status read(uint64_t offset, std::span<std::byte> into) const;
  // Hands all bytes to `sink` piece by piece until it fails, and returns its failure. DATA_LOSS
  // when the file has changed meanwhile.
  Status read_all(const std::function<Status(std::span<const std::byte>)>& sink) const;
  // DATA_LOSS when the file has been cut or written to since it was opened.
  Status check_unchanged() const;

 private:
  InputFile(int fd, std::string path, FileStamp stamp)
      : fd_(fd), path_(std::move(path)), stamp_(stamp) {}
  Status changed() const;

  const int fd_;
  const std::string path_;
  const FileStamp stamp_;
};

}  // namespace sluice::core
