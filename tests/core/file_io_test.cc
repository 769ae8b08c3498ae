#include "core/file_io.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

namespace sluice::core {
namespace {

TEST(FileIoTest, ErrorsSayWhatWhyAndWhatToDo) {
  const Status status = file_error("cannot open /data/x.csv", ENOENT, "check the path");
  EXPECT_EQ(status.message(), "cannot open /data/x.csv: No such file or directory; check the path");
  EXPECT_EQ(file_error("cannot read x", EIO).message(), "cannot read x: Input/output error");
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

TEST(FileIoTest, AFullDiskIsToldByItsErrno) {
  const int fd = ::open("/dev/full", O_WRONLY);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(write_fully(fd, std::vector<std::byte>(10)), ENOSPC);
  ::close(fd);
}

}  // namespace
}  // namespace sluice::core
