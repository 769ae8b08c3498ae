#include "core/mapped_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>

#include "tests/data/test_files.h"

namespace sluice::core {
namespace {

using data::ScopedEnv;
using data::TestFolder;
using ::testing::HasSubstr;

std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

TEST(TempFileTest, MapsWhatWasWrittenInSmallAndLargePieces) {
  TestFolder folder;
  ScopedEnv tmpdir("TMPDIR", folder.path().c_str());
  auto temp = TempFile::create();
  ASSERT_TRUE(temp.ok()) << temp.status();
  std::string expected;
  for (size_t size : {1, 1000, 3 << 20, 5, 1 << 20, 700000, 700000, 0, 3}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    ASSERT_TRUE(temp->write(as_bytes(piece)).ok());
    expected += piece;
  }
  EXPECT_EQ(temp->size(), static_cast<int64_t>(expected.size()));
  auto file = temp->map();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(as_string((*file)->bytes()) == expected);
  EXPECT_EQ(folder.files(), 0) << "the file must have no name";
}

// Whoever is killed before it has taken the name away would leave it behind.
TEST(TempFileTest, HasNoNameAtAnyMomentWhereTheFileSystemCan) {
  TestFolder folder;
  ScopedEnv tmpdir("TMPDIR", folder.path().c_str());
  const int unnamed = ::open(folder.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed < 0) GTEST_SKIP() << "this file system has no files without a name";
  ::close(unnamed);
  const int names = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(::inotify_add_watch(names, folder.path().c_str(), IN_CREATE), 0);
  ASSERT_TRUE(TempFile::create().ok());
  char event[4096];
  EXPECT_LT(::read(names, event, sizeof event), 0) << "a name was made";
  ::close(names);
}

TEST(TempFileTest, AFolderThatIsNotThereIsAnErrorThatNamesTmpdir) {
  TestFolder folder;
  ScopedEnv tmpdir("TMPDIR", folder.path("gone").c_str());
  auto temp = TempFile::create();
  EXPECT_EQ(temp.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(temp.status().message(), HasSubstr(folder.path("gone")));
  EXPECT_THAT(temp.status().message(), HasSubstr("set TMPDIR"));
}

TEST(TempFileTest, AFullDiskIsAnErrorThatSaysWhatToDo) {
  auto temp = TempFile::create();
  ASSERT_TRUE(temp.ok());
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 1 << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = temp->write(as_bytes(std::string(3 << 20, 'x')));
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("free some space"));
}

}  // namespace
}  // namespace sluice::core
