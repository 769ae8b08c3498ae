#include "server/payload_reader.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sluice::server {
namespace {

wire::ReceivedPayload cut(const std::vector<float>& values, const std::vector<size_t>& sizes) {
  wire::ReceivedPayload view;
  std::span<const std::byte> rest = std::as_bytes(std::span(values));
  for (size_t i = 0; !rest.empty(); i = (i + 1) % sizes.size()) {
    const size_t n = std::min(sizes[i], rest.size());
    view.pieces.push_back(rest.first(n));
    rest = rest.subspan(n);
  }
  return view;
}

TEST(PayloadReaderTest, ReadsTheSameFloatsHoweverTheyAreCut) {
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), -500.0f);
  for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{
           {4000}, {1}, {3}, {4}, {5, 7}, {1, 64, 2}, {0, 9}, {399, 1}}) {
    const wire::ReceivedPayload view = cut(values, sizes);
    PayloadReader blocks(view, 0);
    std::vector<float> read;
    std::vector<float> scratch(64);
    while (read.size() < values.size()) {
      const size_t n = std::min<size_t>(64, values.size() - read.size());
      const auto block = blocks.next(std::span(scratch).first(n));
      ASSERT_EQ(block.size(), n);
      read.insert(read.end(), block.begin(), block.end());
    }
    EXPECT_EQ(read, values);
  }
}

TEST(PayloadReaderTest, LendsABlockThatLiesInOnePiece) {
  const std::vector<float> values{1, 2, 3, 4};
  const wire::ReceivedPayload view = cut(values, {16});
  PayloadReader reader(view, 0);
  std::vector<float> scratch(2);
  EXPECT_EQ(reader.next(scratch).data(), values.data());
  EXPECT_EQ(reader.next(scratch).data(), values.data() + 2);
}

TEST(PayloadReaderTest, CopiesABlockThatStartsInsideAFloat) {
  alignas(float) const std::byte bytes[9] = {};
  wire::ReceivedPayload view;
  view.pieces = {{bytes + 1, 8}};
  PayloadReader reader(view, 0);
  std::vector<float> scratch(2);
  EXPECT_EQ(reader.next(scratch).data(), scratch.data());
}

}  // namespace
}  // namespace sluice::server
