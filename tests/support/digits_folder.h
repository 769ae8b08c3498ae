// A folder with a small set of generated digits as IDX files, removed at the end.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/records.h"
#include "sluice/dataset.h"
#include "tests/support/stored.h"

namespace sluice::testing_support {

class DigitsFolder {
 public:
  DigitsFolder(int64_t train, int64_t test) {
    std::string path = "/tmp/sluice-digits-XXXXXX";
    path_ = mkdtemp(path.data());
    const TrainTest data = generated_digits(train, test, 3);
    write("train", *data.train.records());
    write("t10k", *data.test.records());
  }
  DigitsFolder(const DigitsFolder&) = delete;
  ~DigitsFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

 private:
  static void put(std::ofstream& file, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) file.put(static_cast<char>(value >> shift));
  }

  void write(const std::string& prefix, const data::Records& records) const {
    const auto n = static_cast<uint32_t>(records.info().records);
    std::ofstream images(path_ + "/" + prefix + "-images-idx3-ubyte", std::ios::binary);
    for (uint32_t word : {2051u, n, 28u, 28u}) put(images, word);
    const std::vector<std::byte> pixels = stored(records);
    images.write(reinterpret_cast<const char*>(pixels.data()),
                 static_cast<std::streamsize>(pixels.size()));
    std::ofstream labels(path_ + "/" + prefix + "-labels-idx1-ubyte", std::ios::binary);
    for (uint32_t word : {2049u, n}) put(labels, word);
    for (int32_t label : records.labels()) labels.put(static_cast<char>(label));
  }

  std::string path_;
};

}  // namespace sluice::testing_support
