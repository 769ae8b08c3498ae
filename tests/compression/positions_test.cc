#include "compression/positions.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

using Positions = std::vector<uint16_t>;

Bytes written(size_t n, const Positions& positions) {
  Bytes bytes(positions_bytes(n, positions.size()));
  write_positions(n, positions.size(), positions.data(), bytes.data());
  return bytes;
}

void expect_read(size_t n, const Positions& positions) {
  const Bytes bytes = written(n, positions);
  Positions read(positions.size());
  ASSERT_TRUE(check_positions(n, read.size(), bytes.data()));
  read_positions(n, read.size(), bytes.data(), read.data());
  EXPECT_EQ(read, positions) << n;
}

// k of n, drawn.
Positions drawn(size_t n, size_t k, core::Rng& rng) {
  std::vector<uint32_t> all(n);
  std::iota(all.begin(), all.end(), 0u);
  rng.shuffle(all);
  Positions result(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k));
  std::ranges::sort(result);
  return result;
}

TEST(PositionsTest, BytesByHand) {
  // 3 of 64: no bits as they are make 64 bits, 1: 3 + 30 + 3, 2: 3 + 15 + 6, 3: 3 + 7 + 9,
  // 4: 3 + 3 + 12, 5: 3 + 1 + 15. So four, and six bits of zeros and ones.
  // 5 leaves out 5 values: 1 and 0101. 23 leaves out 17: 01 and 0001. 63 leaves out 39: 001, 0111.
  // From the lowest bit on 101001 1010 1000 1110.
  EXPECT_EQ(positions_bytes(64, 3), 3u);
  EXPECT_EQ(written(64, {5, 23, 63}), bytes_of({0b01100101, 0b11000101, 0b01}));
  expect_read(64, {5, 23, 63});
}

TEST(PositionsTest, AThirdAndMoreIsABitmap) {
  EXPECT_EQ(written(9, {0, 1, 8}), bytes_of({0b00000011, 1}));
  EXPECT_EQ(written(16, {0, 1, 2, 4, 5, 6, 8, 15}), bytes_of({0b01110111, 0b10000001}));
}

TEST(PositionsTest, TakeWhatTheTableSaysAndNeverMoreThanAnotherSplit) {
  for (size_t n = 1; n <= kBlock; n += 89) {
    for (size_t k = 1; k <= n; ++k) {
      size_t fewest = n;
      for (size_t low = 1; low < 12; ++low) {
        fewest = std::min(fewest, k + ((n - k) >> low) + k * low);
      }
      ASSERT_EQ(positions_bytes(n, k), (fewest + 7) / 8) << k << " of " << n;
    }
  }
  EXPECT_EQ(positions_bytes(kBlock, 20), 22u);
  EXPECT_EQ(positions_bytes(kBlock, 205), 132u);
  for (size_t k = 1; k <= kBlock; ++k) ASSERT_LE(positions_bytes(kBlock, k), kBlock / 8);
}

TEST(PositionsTest, AllSubsetsOfAFewAreReadAsTheyWere) {
  constexpr size_t kFew = 11;
  for (size_t n = 1; n <= kFew; ++n) {
    for (uint32_t subset = 1; subset < uint32_t{1} << n; ++subset) {
      Positions positions;
      for (size_t i = 0; i < n; ++i) {
        if ((subset >> i & 1) != 0) positions.push_back(static_cast<uint16_t>(i));
      }
      expect_read(n, positions);
    }
  }
}

TEST(PositionsTest, FirstLastAndRandomOnesAreReadAsTheyWere) {
  core::Rng rng(4);
  for (const size_t n : {size_t{63}, size_t{64}, size_t{65}, size_t{1000}, kBlock}) {
    for (size_t k = 1; k <= n; k += k < 40 ? 1 : 97) {
      Positions first(k);
      std::iota(first.begin(), first.end(), uint16_t{0});
      Positions last = first;
      for (uint16_t& position : last) position = static_cast<uint16_t>(position + n - k);
      expect_read(n, first);
      expect_read(n, last);
      expect_read(n, drawn(n, k, rng));
    }
  }
}

TEST(PositionsTest, WhatIsReadAscendsBelowN) {
  core::Rng rng(5);
  int accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    const size_t n = 1 + rng.below(200), k = 1 + rng.below(std::min<size_t>(n, 12));
    Bytes bytes(positions_bytes(n, k));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.next() & rng.next());
    Positions read(k);
    if (!check_positions(n, k, bytes.data())) continue;
    ++accepted;
    read_positions(n, k, bytes.data(), read.data());
    for (size_t j = 1; j < k; ++j) ASSERT_LT(read[j - 1], read[j]);
    ASSERT_LT(read.back(), n);
  }
  EXPECT_GT(accepted, 20);
}

TEST(PositionsTest, TooManyTooFewAndTooLargeAreRefused) {
  const auto is_read = [&](const Bytes& bytes) { return check_positions(64, 3, bytes.data()); };
  // Of six bits of zeros and ones (BytesByHand), with zeros behind.
  EXPECT_TRUE(is_read(bytes_of({0b000111, 0, 0})));
  EXPECT_FALSE(is_read(bytes_of({0b000011, 0, 0})));
  EXPECT_FALSE(is_read(bytes_of({0b001111, 0, 0})));
  EXPECT_FALSE(is_read(bytes_of({0, 0, 0})));
  EXPECT_FALSE(is_read(bytes_of({255, 255, 255})));
  // Three sixteens left out before the first, and 13 or 14 more: the last is at 63, or at 64.
  EXPECT_TRUE(is_read(bytes_of({0b01111000, 0b11, 0})));
  EXPECT_FALSE(is_read(bytes_of({0b10111000, 0b11, 0})));
}

}  // namespace
}  // namespace sluice::compression
