// Weights that an ONNX file keeps in another one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sluice::formats {

class ExternalData {
 public:
  // What is read lies in this folder, and nothing leads out of it: no absolute path, no "..", no
  // symbolic link.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  // `length` bytes from `offset` on of a regular file. Of one file no more is read in all than it
  // has. Throws RuntimeError, naming it.
  std::string read(const std::string& location, uint64_t offset, uint64_t length);

  // Paths of the files that were read.
  std::vector<std::string> files() const;

 private:
  const std::string folder_;
  std::map<std::string, uint64_t> read_;  // of each file, so far
};

}  // namespace sluice::formats
