// What fuzzers begin with and what they have found, without a fuzzer.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace sluice::fuzz {
namespace {

namespace fs = std::filesystem;

class FuzzTest : public testing::TestWithParam<Target> {};

TEST_P(FuzzTest, ComesBackFromWhatFuzzersFound) {
  std::vector<fs::path> folders = {fs::path(SLUICE_SOURCE_DIR "/tests/fuzz/corpus") /
                                   GetParam().name};
  if (GetParam().run == run_model) folders.push_back(SLUICE_SOURCE_DIR "/tests/nn/golden");
  int files = 0;
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      SCOPED_TRACE(entry.path());
      std::ifstream file(entry.path(), std::ios::binary);
      GetParam().run(std::string(std::istreambuf_iterator<char>(file), {}));
      ++files;
    }
  }
  EXPECT_GT(files, 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzTest, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace sluice::fuzz
