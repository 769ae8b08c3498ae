#include "core/atomic_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::core {
namespace {

// As `chattr +i`, where the file system and this user can.
class Attribute {
 public:
  Attribute(const std::string& path, int flag)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), set_(change(flag, true)), flag_(flag) {}
  Attribute(const Attribute&) = delete;
  ~Attribute() {
    if (set_) change(flag_, false);
    ::close(fd_);
  }
  bool set() const { return set_; }

 private:
  bool change(int flag, bool on) const {
    int flags = 0;
    if (::ioctl(fd_, FS_IOC_GETFLAGS, &flags) != 0) return false;
    flags = on ? flags | flag : flags & ~flag;
    return ::ioctl(fd_, FS_IOC_SETFLAGS, &flags) == 0;
  }

  const int fd_;
  const bool set_;
  const int flag_;
};

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

// As long as names may be: there must be room for the new file's too.
TEST_F(AtomicFileTest, NamesOf255BytesAreWritten) {
  for (const size_t length : {215u, 216u, 245u, 255u}) {
    const std::string path = directory_ + "/" + std::string(length, 'a'), text = "text";
    EXPECT_TRUE(can_replace_file(path).ok()) << length;
    ASSERT_TRUE(replace_file(path, {text}).ok()) << length;
    EXPECT_EQ(content(path), "text");
  }
  const std::string path = directory_ + "/" + std::string(256, 'a'), text = "text";
  EXPECT_THAT(can_replace_file(path).message(), testing::HasSubstr("File name too long"));
  EXPECT_FALSE(replace_file(path, {text}).ok());
  EXPECT_EQ(files(), 4u) << "nothing is left behind";
}

TEST_F(AtomicFileTest, TryingLeavesNothingBehindAndChangesNothing) {
  const std::string path = directory_ + "/file", text = "text";
  EXPECT_TRUE(can_replace_file(path).ok());
  EXPECT_EQ(files(), 0u);
  ASSERT_TRUE(replace_file(path, {text}).ok());
  EXPECT_TRUE(can_replace_file(path).ok());
  EXPECT_EQ(content(path), "text");
  EXPECT_EQ(files(), 1u);
}

// As under `ulimit -f`: the signal's default would end the process.
TEST_F(AtomicFileTest, ALimitOnFileSizesIsAnErrorAndNoSignal) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limit{1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string path = directory_ + "/file", text(2000, 'a');
  const Status status = replace_file(path, {text});
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(status.message(), testing::HasSubstr("File too large"));
  EXPECT_EQ(files(), 0u);
  sigset_t waiting;
  sigpending(&waiting);
  EXPECT_EQ(sigismember(&waiting, SIGXFSZ), 0);
}

TEST_F(AtomicFileTest, LinkStaysALinkAndItsTargetIsReplaced) {
  const std::string link = directory_ + "/link", target = directory_ + "/sub/file", text = "text";
  std::filesystem::create_directory(directory_ + "/sub");
  std::filesystem::create_symlink("sub/file", link);
  ASSERT_TRUE(replace_file(link, {text}).ok());  // the target is not there yet
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  const std::string newer = "newer";
  ASSERT_TRUE(replace_file(link, {newer}).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_FALSE(std::filesystem::is_symlink(target));
  EXPECT_EQ(content(target), "newer");
}

TEST_F(AtomicFileTest, PipeBehindALinkIsWrittenToAndStays) {
  const std::string pipe = directory_ + "/pipe", link = directory_ + "/link", text = "through it";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink(pipe, link);
  const int fd = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(can_replace_file(link).ok());
  ASSERT_TRUE(replace_file(link, {text}).ok());
  char read_back[32] = {};
  EXPECT_EQ(read(fd, read_back, sizeof(read_back)), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(read_back, text);
  close(fd);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(AtomicFileTest, WhatCannotBeWrittenIsKnownBefore) {
  EXPECT_TRUE(can_replace_file(directory_ + "/file").ok());
  EXPECT_FALSE(can_replace_file(directory_).ok());
  EXPECT_FALSE(can_replace_file(directory_ + "/nowhere/file").ok());
  std::filesystem::create_symlink("nowhere/file", directory_ + "/link");
  EXPECT_FALSE(can_replace_file(directory_ + "/link").ok());
  EXPECT_EQ(files(), 1u);
}

// Found out by a file of that size, which is removed again.
TEST_F(AtomicFileTest, WantOfRoomIsKnownBefore) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limit{10000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const OutputFile file(directory_ + "/file");
  const Status small = file.check(10000), large = file.check(30000);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(small, ok_status());
  EXPECT_EQ(large.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(large.message(), testing::HasSubstr("it takes 29.30 KB in "));
  EXPECT_EQ(files(), 0u);
}

TEST_F(AtomicFileTest, AFullDiskIsKnownBefore) {
  if (::mount("tmpfs", directory_.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "no file system can be mounted";
  }
  const OutputFile file(directory_ + "/file");
  EXPECT_EQ(file.check(32 << 10), ok_status());
  const Status full = file.check(1 << 20);
  ::umount(directory_.c_str());
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(full.message(), testing::HasSubstr("No space left on device; it takes 1.00 MB in "));
}

TEST_F(AtomicFileTest, AFileThatCannotBeReplacedIsKnownBeforeAndStays) {
  const std::string path = directory_ + "/file", text = "text";
  ASSERT_TRUE(replace_file(path, {text}).ok());
  for (const int flag : {FS_IMMUTABLE_FL, FS_APPEND_FL}) {
    const Attribute attribute(path, flag);
    if (!attribute.set()) GTEST_SKIP() << "this file system has no such attribute";
    EXPECT_THAT(can_replace_file(path).message(), testing::HasSubstr("lsattr"));
    EXPECT_FALSE(OutputFile(path).check_in_place().ok());
  }
  {
    const Attribute attribute(directory_, FS_APPEND_FL);
    EXPECT_THAT(can_replace_file(directory_ + "/new").message(), testing::HasSubstr("its folder"));
  }
  EXPECT_EQ(can_replace_file(path), ok_status());
  EXPECT_EQ(content(path), text);
  EXPECT_EQ(files(), 1u);
}

// A folder that everybody may write to, as /tmp, where only a file's owner may replace it.
TEST_F(AtomicFileTest, AnotherUsersFileIsKnownBefore) {
  constexpr uid_t kNobody = 65534;
  const std::string path = directory_ + "/file", text = "text";
  ASSERT_TRUE(replace_file(path, {text}).ok());
  ASSERT_EQ(::chmod(directory_.c_str(), 01777), 0);
  if (::geteuid() != 0 || ::seteuid(kNobody) != 0) GTEST_SKIP() << "needs another user";
  const Status others = can_replace_file(path), own = can_replace_file(directory_ + "/own");
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(own, ok_status());
  EXPECT_EQ(others.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, AMountPointIsKnownBefore) {
  const std::string path = directory_ + "/file", other = directory_ + "/other";
  for (const std::string& name : {path, other}) std::ofstream(name) << name;
  if (::mount(other.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "nothing can be mounted";
  }
  const Status status = can_replace_file(path);
  ::umount(path.c_str());
  EXPECT_THAT(status.message(), testing::HasSubstr("mount its folder instead"));
  EXPECT_EQ(content(path), path);
}

// What is made while a job runs must not lead its output elsewhere.
TEST_F(AtomicFileTest, ALinkThatLeadsToItselfLeadsNowhere) {
  const std::string loop = directory_ + "/loop";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_THAT(OutputFile(loop).check().message(),
              testing::HasSubstr("Too many levels of symbolic links"));
  EXPECT_TRUE(std::filesystem::is_symlink(loop));
}

TEST_F(AtomicFileTest, WhereAPathLeadsIsFoundOutOnce) {
  const std::string path = directory_ + "/file", link = directory_ + "/link",
                    input = directory_ + "/input", text = "text", data = "data";
  ASSERT_TRUE(replace_file(input, {data}).ok());
  std::filesystem::create_symlink(path, link);
  OutputFile direct(path), linked(link), in_place(path);
  std::filesystem::create_symlink(input, path);
  EXPECT_FALSE(in_place.open_in_place().ok());
  ASSERT_TRUE(direct.write({text}).ok());
  EXPECT_FALSE(std::filesystem::is_symlink(path));
  EXPECT_EQ(content(path), "text");
  std::filesystem::remove(link);
  std::filesystem::create_symlink(input, link);
  ASSERT_TRUE(linked.write({data, text}).ok());
  EXPECT_EQ(content(path), "datatext");
  EXPECT_EQ(content(input), "data");
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
