#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "core/short_float.h"
#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

// Positions that are decoded to something else than zero.
std::vector<size_t> chosen_in(const std::vector<float>& values) {
  std::vector<size_t> result;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) result.push_back(i);
  }
  return result;
}

TEST(TopKTest, BytesAndRestsByHand) {
  // 2 of 8: no bits as they are make 8 bits, 1: 2 + 3 + 2, 2: 2 + 1 + 4. So one. 1 leaves out one
  // value: 1 and 1; 6 leaves out four: 001 and 0. From the lowest bit on 10010 10, then the values:
  // -4 and 3 + 2^-7, which bf16 rounds to 3.
  const std::vector<float> values = {1, -4, 2, 0, -2, 2.5f, 3 + 0x1p-7f, -3};
  std::vector<float> rest(values.size());
  const Bytes bytes = encoded("topk:0.25", values, rest);
  EXPECT_EQ(bytes, bytes_of({0b0101001, 0x80, 0xc0, 0x40, 0x40}));
  EXPECT_EQ(decoded("topk:0.25", 8, bytes), (std::vector<float>{0, -4, 0, 0, 0, 0, 3, 0}));
  EXPECT_EQ(rest, (std::vector<float>{1, 0, 2, 0, -2, 2.5f, 0x1p-7f, -3}));
}

TEST(TopKTest, OfEqualOnesTheFirst) {
  // 50 of 500: three that are larger, behind 497 equal ones.
  std::vector<float> values(500, -0.5f);
  values[100] = values[300] = 1;
  values[499] = 2;
  for (size_t i = 0; i < values.size(); i += 2) values[i] = std::abs(values[i]);
  std::vector<size_t> expected(47);
  std::iota(expected.begin(), expected.end(), size_t{0});
  expected.insert(expected.end(), {100, 300, 499});
  EXPECT_EQ(chosen_in(decoded("topk:0.1", values.size(), encoded("topk:0.1", values))), expected);
}

TEST(TopKTest, ZerosMakeABlockToo) {
  std::vector<float> residual(kBlock + 1);
  const Bytes bytes = encoded("topk:0.1", std::vector<float>(kBlock + 1), residual);
  EXPECT_EQ(decoded("topk:0.1", kBlock + 1, bytes), std::vector<float>(kBlock + 1));
  EXPECT_EQ(residual, std::vector<float>(kBlock + 1));
}

TEST(TopKTest, AnySizesAreComparedRight) {
  // Of all magnitudes that there are, equal ones among them, with sizes that vectors do not divide.
  core::Rng rng(8);
  for (int round = 0; round < 60; ++round) {
    std::vector<float> values(1 + rng.below(kBlock));
    for (float& x : values) {
      const auto drawn = static_cast<uint32_t>(rng.next() >> 32);
      x = std::bit_cast<float>(round % 2 == 0 ? drawn : drawn & 0x83c00000);
      if (!std::isfinite(x)) x = 0;
    }
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(
        order, [&](size_t a, size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
    order.resize(codec("topk:0.05").chosen(values.size()));
    std::vector<float> kept(values.size());
    const std::vector<float> read =
        decoded("topk:0.05", values.size(), encoded("topk:0.05", values, kept));
    std::vector<float> expected(values.size());
    for (const size_t i : order) {
      expected[i] = read[i];
      ASSERT_LE(std::abs(read[i] - values[i]), std::abs(values[i]) / 256) << values[i];
      ASSERT_EQ(kept[i], values[i] - read[i]);
      kept[i] = values[i];
    }
    ASSERT_EQ(read, expected);
    ASSERT_EQ(kept, values);
  }
}

TEST(TopKTest, WhatIsNotFiniteGoesFirstAndIsNotKept) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values(100, 3), residual(100);
  values[10] = infinity;
  values[20] = -nan;
  values[90] = -infinity;
  const std::vector<float> read = decoded("topk:0.02", 100, encoded("topk:0.02", values, residual));
  EXPECT_TRUE(std::isnan(read[20]));
  EXPECT_EQ(read[10], infinity);
  EXPECT_EQ(read[90], 0);
  std::vector<float> expected(100, 3);
  expected[10] = expected[20] = expected[90] = 0;
  EXPECT_EQ(residual, expected);
}

TEST(TopKTest, EveryBlockSendsItsOwn) {
  std::vector<float> values(3 * kBlock, 1e-6f);
  for (size_t i = 0; i < kBlock; ++i) values[i] = 1;
  const std::vector<float> read = decoded("topk:0.01", values.size(), encoded("topk:0.01", values));
  EXPECT_EQ(chosen_in(read).size(), 60u);
  EXPECT_EQ(read[2 * kBlock], core::from_bfloat16(0x3586));
}

}  // namespace
}  // namespace sluice::compression
