#include <gtest/gtest.h>

#include <limits>

#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

TEST(OneBitTest, BytesAndRestsByHand) {
  // The mean of 1, 3 and 2 is 2, that of -1 and -7 is -4. Values 0, 2 and 4 are the bits of 21.
  const std::vector<float> values = {1, -1, 3, -7, 2};
  std::vector<float> rest(values.size());
  const Bytes bytes = encoded("1bit", values, rest);
  EXPECT_EQ(bytes, bytes_of({0, 0, 0, 0x40, 0, 0, 0x80, 0xc0, 21, 0, 0, 0}));
  EXPECT_EQ(decoded("1bit", values.size(), bytes), (std::vector<float>{2, -4, 2, -4, 2}));
  EXPECT_EQ(rest, (std::vector<float>{-1, 3, 1, -3, 0}));
}

TEST(OneBitTest, ZerosCountAsPositive) {
  std::vector<float> rest(4);
  const Bytes bytes = encoded("1bit", {0, -0.0f, 4, -1}, rest);
  EXPECT_EQ(bytes[8], std::byte{7});
  EXPECT_EQ(rest, (std::vector<float>{-4.0f / 3, -4.0f / 3, 4 - 4.0f / 3, 0}));
  EXPECT_EQ(decoded("1bit", 3, encoded("1bit", {0, 0, 0})), std::vector<float>(3));
}

TEST(OneBitTest, BitsOfAGroupLieAcrossItsWords) {
  for (const size_t n : {size_t{1}, size_t{33}, size_t{100}, kGroup}) {
    const size_t words = (n + 31) / 32;
    for (size_t i = 0; i < n; ++i) {
      std::vector<float> values(n, -1);
      values[i] = 5;
      const Bytes bytes = encoded("1bit", values);
      const size_t bit = 32 * (i % words) + i / words;
      ASSERT_EQ(bytes[8 + bit / 8], static_cast<std::byte>(1 << bit % 8)) << i << " of " << n;
      ASSERT_EQ(decoded("1bit", n, bytes), values);
    }
  }
}

TEST(OneBitTest, OneSideMayBeEmpty) {
  EXPECT_EQ(decoded("1bit", 2, encoded("1bit", {1, 2})), (std::vector<float>{1.5f, 1.5f}));
  EXPECT_EQ(decoded("1bit", 2, encoded("1bit", {-1, -2})), (std::vector<float>{-1.5f, -1.5f}));
  EXPECT_EQ(decoded("1bit", 1, encoded("1bit", {-3})), std::vector<float>{-3});
}

TEST(OneBitTest, AGroupWithSomethingThatIsNotFiniteIsNan) {
  const float largest = std::numeric_limits<float>::max();
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity(), largest, -largest}) {
    // Two of the largest: their sum is none.
    std::vector<float> values(kGroup + 2, 1), residual(kGroup + 2, 0.25f);
    values[7] = values[7 + 16] = bad;
    values[kGroup] = -1;
    const std::vector<float> read =
        decoded("1bit", values.size(), encoded("1bit", values, residual));
    EXPECT_TRUE(
        std::ranges::all_of(std::span(read).first(kGroup), [](float x) { return std::isnan(x); }));
    EXPECT_EQ(read[kGroup], -0.75f);
    EXPECT_EQ(read[kGroup + 1], 1.25f);
    EXPECT_EQ(residual, std::vector<float>(values.size()));
  }
}

}  // namespace
}  // namespace sluice::compression
