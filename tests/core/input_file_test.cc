#include "core/input_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/data/test_files.h"

namespace sluice::core {
namespace {

using data::TestFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

class InputFileTest : public ::testing::Test {
 protected:
  std::shared_ptr<const InputFile> open(const std::string& text) {
    path_ = folder_.write("a", text);
    auto file = InputFile::open(path_);
    EXPECT_TRUE(file.ok()) << file.status();
    return *file;
  }
  static std::string text(const InputFile& file, uint64_t offset, size_t size) {
    std::string text(size, '?');
    EXPECT_TRUE(file.read(offset, std::as_writable_bytes(std::span(text))).ok());
    return text;
  }
  void expect_changed(const Status& status) const {
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr("was written to")));
  }

  TestFolder folder_;
  std::string path_;
};

TEST_F(InputFileTest, ReadsPartsAndTheWhole) {
  const auto file = open("some bytes");
  EXPECT_EQ(file->size(), 10u);
  EXPECT_EQ(text(*file, 5, 5), "bytes");
  std::string all;
  EXPECT_TRUE(file->read_all([&](std::span<const std::byte> piece) {
                    all.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                    return ok_status();
                  })
                  .ok());
  EXPECT_EQ(all, "some bytes");
}

TEST_F(InputFileTest, IsStillReadWhenItIsRemovedOrReplaced) {
  const auto file = open("some bytes");
  std::filesystem::rename(folder_.write("b", "other"), path_);
  EXPECT_EQ(text(*file, 0, 4), "some");
  EXPECT_TRUE(file->check_unchanged().ok());
}

// A mapped file would end the process with SIGBUS here.
TEST_F(InputFileTest, AFileThatWasCutShortIsAnErrorThatNamesIt) {
  const auto file = open("some bytes");
  ASSERT_EQ(truncate(path_.c_str(), 3), 0);
  std::vector<std::byte> bytes(10);
  expect_changed(file->read(0, bytes));
  expect_changed(file->read_all([](std::span<const std::byte>) { return ok_status(); }));
  expect_changed(file->check_unchanged());
}

TEST_F(InputFileTest, AFileThatWasOverwrittenInPlaceIsNoticed) {
  const auto file = open("some bytes");
  // The clock of a file system ticks every few milliseconds: this one was written long ago.
  const timespec long_ago[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path_.c_str(), long_ago, 0), 0);
  const auto old = InputFile::open(path_);
  ASSERT_TRUE(old.ok());
  std::fstream(path_, std::ios::in | std::ios::out) << "SOME";
  expect_changed((*old)->check_unchanged());
  expect_changed((*old)->read_all([](std::span<const std::byte>) { return ok_status(); }));
}

TEST_F(InputFileTest, MissingFilesFoldersAndPipesAreErrorsThatNameThePath) {
  const auto missing = InputFile::open(folder_.path("no/such"));
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr(folder_.path("no/such")));
  const auto folder = InputFile::open(folder_.path());
  EXPECT_EQ(folder.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(folder.status().message(), HasSubstr("found a folder"));
  ASSERT_EQ(mkfifo(folder_.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(InputFile::open(folder_.path("pipe")).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::core
