#include "core/atomic_file.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::core {
namespace {

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    std::string name = testing::TempDir() + "/atomic-XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~AtomicFileTest() override { std::filesystem::remove_all(directory_); }

  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory_), {}));
  }

  std::string directory_;
};

TEST_F(AtomicFileTest, WritesThePartsOneAfterTheOther) {
  const std::string path = directory_ + "/file", a = "one ", b = "two";
  ASSERT_TRUE(replace_file(path, {a, b}).ok());
  EXPECT_EQ(content(path), "one two");
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, ReplacesWhatWasThere) {
  const std::string path = directory_ + "/file", longer = "something longer", shorter = "short";
  ASSERT_TRUE(replace_file(path, {longer}).ok());
  ASSERT_TRUE(replace_file(path, {shorter}).ok());
  EXPECT_EQ(content(path), "short");
}

TEST_F(AtomicFileTest, FolderThatIsNotThereIsNamed) {
  const std::string path = directory_ + "/nowhere/file", text = "text";
  const Status status = replace_file(path, {text});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), testing::HasSubstr(path));
}

TEST_F(AtomicFileTest, FolderInTheFilesPlaceIsRefusedAndStays) {
  const std::string path = directory_ + "/folder", text = "text";
  std::filesystem::create_directory(path);
  EXPECT_FALSE(replace_file(path, {text}).ok());
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace sluice::core
