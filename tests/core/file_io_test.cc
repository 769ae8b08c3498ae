#include "core/file_io.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice::core {
namespace {

TEST(FileIoTest, ErrorsSayWhatWhyAndWhatToDo) {
  const Status status = file_error("cannot open /data/x.csv", ENOENT, "check the path");
  EXPECT_EQ(status.message(), "cannot open /data/x.csv: No such file or directory; check the path");
  EXPECT_EQ(file_error("cannot read x", EIO).message(), "cannot read x: Input/output error");
  EXPECT_EQ(file_error("cannot write x", EMFILE, "make its folder").message(),
            "cannot write x: Too many open files; raise this process's limit (ulimit -n)");
}

TEST(FileIoTest, ErrorsHaveTheCodeThatFits) {
  EXPECT_EQ(file_error("x", ENOENT).code(), StatusCode::kNotFound);
  EXPECT_EQ(file_error("x", ENOTDIR).code(), StatusCode::kNotFound);
  EXPECT_EQ(file_error("x", EROFS).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(file_error("x", ENOSPC).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(file_error("x", EMFILE).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(file_error("x", EIO).code(), StatusCode::kUnknown);
}

// A pipe takes less than all at once: the reader must find every byte.
TEST(FileIoTest, WritesAllThoughTheFileTakesItInPieces) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::vector<std::byte> sent(3 << 20);
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 7 % 251);
  std::vector<std::byte> received;
  std::thread reader([&] {
    std::vector<std::byte> piece(1000);
    for (ssize_t n = 0; (n = ::read(ends[0], piece.data(), piece.size())) > 0;) {
      received.insert(received.end(), piece.begin(), piece.begin() + n);
    }
  });
  EXPECT_EQ(write_fully(ends[1], sent), 0);
  ::close(ends[1]);
  reader.join();
  ::close(ends[0]);
  EXPECT_EQ(received, sent);
}

// Also those of a pipe, which has no size, and where a read gives less than is asked for.
TEST(FileIoTest, AFileIsReadAsAWhole) {
  const std::string path = ::testing::TempDir() + "/read-" + std::to_string(::getpid());
  const auto any = [](std::string_view) { return size_t{1} << 30; };
  for (const size_t size : {0u, 1u, 4095u, 4096u, 4097u, 8192u, 300'000u}) {
    std::string sent(size, 'a');
    for (size_t i = 0; i < size; ++i) sent[i] = static_cast<char>(i * 7 % 251);
    std::ofstream(path, std::ios::binary) << sent;
    EXPECT_EQ(*read_file(path, any), sent);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    std::thread writer([&] {
      EXPECT_EQ(write_fully(ends[1], std::as_bytes(std::span(sent))), 0);
      ::close(ends[1]);
    });
    const Result<std::string> received = read_file("/dev/fd/" + std::to_string(ends[0]), any);
    writer.join();
    ::close(ends[0]);
    ASSERT_TRUE(received.ok()) << received.status().message();
    EXPECT_EQ(*received, sent);
  }
  std::filesystem::remove(path);
}

TEST(FileIoTest, HowMuchIsReadDependsOnHowAFileBegins) {
  const std::string path = ::testing::TempDir() + "/begin-" + std::to_string(::getpid());
  std::ofstream(path) << std::string(10'000, 'a');
  const auto most = [](size_t bytes) {
    return [bytes](std::string_view begin) { return begin.starts_with("aaa") ? bytes : 0; };
  };
  EXPECT_EQ(read_file(path, most(10'000))->size(), 10'000u);
  EXPECT_EQ(read_file(path, most(9'999)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_file(path, most(10)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_file("/dev/zero", most(10'000)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_text(path, 9'999).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(read_text(::testing::TempDir()).ok());
  std::filesystem::remove(path);
}

TEST(FileIoTest, AFullDiskIsToldByItsErrno) {
  const int fd = ::open("/dev/full", O_WRONLY);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(write_fully(fd, std::vector<std::byte>(10)), ENOSPC);
  ::close(fd);
}

}  // namespace
}  // namespace sluice::core
