#include "core/byte_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "tests/data/test_files.h"

namespace sluice::core {
namespace {

class ByteStreamTest : public testing::Test {
 protected:
  ByteStreamTest() : pipe_(folder_.path("pipe")) { ::mkfifo(pipe_.c_str(), 0600); }

  data::TestFolder folder_;
  const std::string pipe_;
};

TEST_F(ByteStreamTest, FilesAndFoldersAreNone) {
  EXPECT_TRUE(is_stream("-"));
  EXPECT_TRUE(is_stream("/dev/null"));
  EXPECT_TRUE(is_stream(pipe_));
  EXPECT_FALSE(is_stream(folder_.path()));
  EXPECT_FALSE(is_stream(folder_.write("file", "x")));
  EXPECT_FALSE(is_stream(folder_.path("gone")));
}

// The writer writes the second part when the first one has come.
TEST_F(ByteStreamTest, PiecesComeAtOnce) {
  int writer = -1;
  std::thread opens([&] {
    writer = ::open(pipe_.c_str(), O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(::write(writer, "first", 5), 5);
  });
  std::string all;
  const Status read = read_stream(pipe_, [&](std::span<const std::byte> piece) {
    all.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (all == "first") {
      EXPECT_EQ(::write(writer, "second", 6), 6);
    } else {
      ::close(writer);
    }
    return ok_status();
  });
  opens.join();
  EXPECT_TRUE(read.ok()) << read;
  EXPECT_EQ(all, "firstsecond");
}

TEST_F(ByteStreamTest, WhatTheSinkFailsWithEndsIt) {
  const Status read =
      read_stream("/dev/zero", [](std::span<const std::byte>) { return cancelled("enough"); });
  EXPECT_EQ(read.code(), StatusCode::kCancelled);
  EXPECT_EQ(read_stream(folder_.path("gone"), [](auto) { return ok_status(); }).code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace sluice::core
