// Replaces a file as a whole or not at all, and knows before a long job whether that will work.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::core {

// A file to be written, as a whole: to a new file next to it, which is flushed to the disk and
// renamed; then the directory is flushed. Where its path is a symbolic link, that stays one and its
// target is replaced. What cannot be replaced is written to in place: a device, a pipe, this
// process's standard output or error.
//
// Where the path leads is found out once, by the constructor: links that are made later change
// nothing. Used by one thread at a time.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  OutputFile(OutputFile&&) noexcept;
  ~OutputFile();

  const std::string& path() const { return path_; }    // as it was asked for
  const std::string& place() const { return place_; }  // its true name

  // Whether write() can be expected to work for this many bytes: tries it next to the file, without
  // changing that, and removes what it has made. RESOURCE_EXHAUSTED: there is no room.
  Status check(uint64_t bytes = kBlock) const;
  // The same of open_in_place().
  Status check_in_place() const;
  // Opens what is written to in place; does nothing for what is replaced. Waits for somebody to
  // read a pipe, and says so. write() does it too, where it has not been done.
  Status open();
  // On failure what was there is unchanged, unless it is written to in place, and nothing is left
  // behind. Once.
  Status write(const std::vector<std::span<const char>>& parts);
  // For what is read while it is written: a descriptor, the caller's to close, of the file, which
  // is emptied, or of what is written to in place.
  Result<int> open_in_place();

 private:
  class File;
  static constexpr uint64_t kBlock = 4096;  // what the smallest file takes

  Status check_as_it_is(uint64_t bytes) const;
  Status write_as_it_is(const std::vector<std::span<const char>>& parts);
  Status replace(const std::vector<std::span<const char>>& parts) const;
  Status failure(int error, const std::string& advice = "") const;

  const std::string path_;
  const bool as_it_is_;
  const std::string place_;
  std::unique_ptr<File> file_;  // open, of what is written to in place
};

// OutputFile::write() and OutputFile::check() of a file that is written at once.
Status replace_file(const std::string& path, const std::vector<std::span<const char>>& parts);
Status can_replace_file(const std::string& path);

// Where a chain of links that begins at `path` ends, whether something is there or not.
std::string follow_links(const std::string& path);

// Whether what is written to `path` goes where this process's standard output goes.
bool is_standard_output(const std::string& path);

}  // namespace sluice::core
