#include "data/gzip.h"

#include <gmock/gmock.h>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

TEST(GunzipTest, HandsOverALongStreamPieceByPiece) {
  std::string plain;
  for (int i = 0; i < 200000; ++i) plain += std::to_string(i);
  const std::string packed = gzip(plain);
  std::string out;
  int pieces = 0;
  const Status status = gunzip("x.gz", as_bytes(packed), [&](std::span<const std::byte> piece) {
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    ++pieces;
    return ok_status();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(out == plain);
  EXPECT_GT(pieces, 1);
}

TEST(GunzipTest, StopsWhenTheSinkFails) {
  const std::string packed = gzip(std::string(1 << 20, 'a'));
  int pieces = 0;
  const Status status = gunzip("x.gz", as_bytes(packed), [&](std::span<const std::byte>) {
    ++pieces;
    return unavailable("full");
  });
  EXPECT_EQ(status, unavailable("full"));
  EXPECT_EQ(pieces, 1);
}

TEST(OpenMaybeGzipTest, StopsDecompressingBeyondTheWholeSize) {
  TestFolder folder;
  const std::string path = folder.write("bomb", gzip(std::string(8 << 20, 'a')));
  auto file = open_maybe_gzip(path, [](std::span<const std::byte> prefix) -> Result<uint64_t> {
    EXPECT_EQ(prefix.size(), 16u);
    return uint64_t{1000};
  });
  EXPECT_EQ(file.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(file.status().message(), HasSubstr("expected 1000 bytes"));
}

TEST(OpenMaybeGzipTest, RefusesWhatTheHeaderSaysIsNoSuchFile) {
  TestFolder folder;
  const std::string path = folder.write("other", gzip("abc"));
  auto file = open_maybe_gzip(path, [](std::span<const std::byte> prefix) -> Result<uint64_t> {
    EXPECT_EQ(prefix.size(), 3u);
    return invalid_argument("not this");
  });
  EXPECT_EQ(file.status(), invalid_argument("not this"));
}

}  // namespace
}  // namespace sluice::data
