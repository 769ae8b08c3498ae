// Writing zip archives in memory, members stored as they are, as Keras does; zip64 where one is
// larger than 4 GB.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::formats {

class ZipWriter {
 public:
  // `size`: of all members together, to make room for at once.
  explicit ZipWriter(size_t size = 0) { archive_.reserve(size + 4096); }

  // Names are different, and shorter than 64 KiB.
  void add(std::string_view name, std::string_view content);
  // The archive. The writer is done then.
  std::string finish() &&;

 private:
  std::string archive_, directory_;
  uint64_t count_ = 0;
};

}  // namespace sluice::formats
