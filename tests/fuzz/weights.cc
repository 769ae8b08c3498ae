#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "data/weights_file.h"
#include "tests/fuzz/memory_file.h"

namespace sluice::fuzz {
namespace {

void read(const std::string& path, int64_t records) {
  const auto weights = data::read_weights(path, records);
  if (!weights.ok()) return;
  require(weights->size() == static_cast<size_t>(records), "a weight for each record");
  for (const float weight : *weights) {
    require(std::isfinite(weight) && weight >= 0, "weights are finite and at least 0");
  }
}

// A name by which the file is taken for numpy's.
class NpyLink {
 public:
  explicit NpyLink(const MemoryFile& file)
      : path_(std::filesystem::temp_directory_path() /
              ("sluice-fuzz-" + std::to_string(getpid()) + ".npy")) {
    std::filesystem::remove(path_);
    std::filesystem::create_symlink(file.path(), path_);
  }
  ~NpyLink() { std::filesystem::remove(path_); }
  NpyLink(const NpyLink&) = delete;
  NpyLink& operator=(const NpyLink&) = delete;

  std::string path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

}  // namespace

// The first byte: how many records there are. The file follows.
void run_weights(std::string_view input) {
  if (input.empty()) return;
  const int64_t records = static_cast<unsigned char>(input[0]);
  const MemoryFile file(input.substr(1));
  read(file.path(), records);
  const NpyLink npy(file);
  read(npy.path(), records);
}

}  // namespace sluice::fuzz
