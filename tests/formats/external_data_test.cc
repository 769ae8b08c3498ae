#include "formats/external_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sluice/errors.h"
#include "tests/errors.h"

namespace sluice::formats {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ExternalDataTest : public testing::Test {
 protected:
  ExternalDataTest() {
    fs::create_directories(folder_ / "inner");
    std::ofstream(folder_ / "weights.bin") << "0123456789";
    std::ofstream(folder_ / "inner" / "more.bin") << "abc";
    std::ofstream(directory_ / "secret") << "secret";
  }
  ~ExternalDataTest() override { fs::remove_all(directory_); }

  std::string refusal(const std::string& location, uint64_t offset = 0, uint64_t length = 1) {
    return message_of<RuntimeError>([&] { data_.read(location, offset, length); });
  }

  const fs::path directory_ =
      fs::path(testing::TempDir()) / ("sluice-external-" + std::to_string(getpid()));
  const fs::path folder_ = directory_ / "model";
  ExternalData data_{folder_.string()};
};

TEST_F(ExternalDataTest, ReadsAPieceOfAFileInItsFolder) {
  EXPECT_EQ(data_.read("weights.bin", 2, 3), "234");
  EXPECT_EQ(data_.read("./inner/more.bin", 0, 3), "abc");
  EXPECT_EQ(data_.files().size(), 2);  // and the other one
  EXPECT_EQ(data_.read("weights.bin", 10, 0), "");
}

TEST_F(ExternalDataTest, NothingLeadsOutOfTheFolder) {
  for (const std::string& location :
       std::vector<std::string>{"../secret", "inner/../../secret", (directory_ / "secret").string(),
                                "", "/", "..", "inner//more.bin"}) {
    EXPECT_THAT(refusal(location), HasSubstr("names the file")) << location;
  }
}

TEST_F(ExternalDataTest, LinksAreNotFollowed) {
  fs::create_symlink(directory_ / "secret", folder_ / "link");
  fs::create_symlink(directory_, folder_ / "folder");
  EXPECT_THAT(refusal("link"), HasSubstr("which is a link"));
  EXPECT_THAT(refusal("folder/secret"), HasSubstr("names the file \"folder/secret\""));
}

TEST_F(ExternalDataTest, OnlyRegularFilesAreRead) {
  EXPECT_THAT(refusal("inner"), HasSubstr("which is no regular file"));
  EXPECT_THAT(refusal("nothing"), HasSubstr("which cannot be opened"));
}

TEST_F(ExternalDataTest, APieceMustLieInTheFile) {
  EXPECT_THAT(refusal("weights.bin", 8, 3), HasSubstr("which has 10 bytes where 3 from 8 on"));
  EXPECT_THAT(refusal("weights.bin", UINT64_MAX, 1), HasSubstr("which has 10 bytes"));
  EXPECT_THAT(refusal("weights.bin", 0, UINT64_MAX), HasSubstr("which has 10 bytes"));
}

TEST_F(ExternalDataTest, OfAFileNoMoreIsReadThanItHas) {
  data_.read("weights.bin", 0, 6);
  EXPECT_THAT(refusal("weights.bin", 0, 6), HasSubstr("takes more of it than it has"));
}

}  // namespace
}  // namespace sluice::formats
