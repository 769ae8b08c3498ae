#include <gtest/gtest.h>

#include <limits>

#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

TEST(Int8Test, BytesAndRestsByHand) {
  // The largest is 254, so the scale is 2; halves go to the even number.
  const std::vector<float> values = {254, -254, 1, 3, -3, 0.5f, 9};
  std::vector<float> rest(values.size());
  const Bytes bytes = encoded("int8", values, rest);
  EXPECT_EQ(bytes, bytes_of({0, 0, 0, 0x40, 127, -127, 0, 2, -2, 0, 4}));
  EXPECT_EQ(decoded("int8", values.size(), bytes), (std::vector<float>{254, -254, 0, 4, -4, 0, 8}));
  EXPECT_EQ(rest, (std::vector<float>{0, 0, 1, -1, 1, 0.5f, 1}));
}

TEST(Int8Test, EachGroupHasItsScale) {
  std::vector<float> values(2 * kGroup, 1e-6f);
  values[kGroup] = 1000;
  const std::vector<float> read = decoded("int8", values.size(), encoded("int8", values));
  EXPECT_NEAR(read[kGroup - 1], 1e-6f, 1e-12f);
  EXPECT_EQ(read[kGroup + 1], 0);
}

TEST(Int8Test, OneValueIsItsScale) {
  std::vector<float> residual(1);
  const Bytes bytes = encoded("int8", {-0.3f}, residual);
  EXPECT_EQ(bytes[4], static_cast<std::byte>(-127));
  EXPECT_NEAR(residual[0], 0, 1e-7f);
}

TEST(Int8Test, WhatIsTooSmallForAScaleIsKept) {
  const float smallest = std::numeric_limits<float>::denorm_min();
  for (const float tiny : {smallest, 1e-40f, 1.4e-36f}) {
    const std::vector<float> values = {tiny, -tiny, 0};
    std::vector<float> residual(values.size());
    EXPECT_EQ(encoded("int8", values, residual), Bytes(7));
    EXPECT_EQ(residual, values);
  }
  std::vector<float> residual(1);
  EXPECT_NE(encoded("int8", {1.6e-36f}, residual), Bytes(5));
}

TEST(Int8Test, TheLargestFloatsAreScaledToo) {
  const float largest = std::numeric_limits<float>::max();
  const std::vector<float> values = {largest, -largest, largest / 2};
  std::vector<float> residual(values.size());
  const std::vector<float> read = decoded("int8", 3, encoded("int8", values, residual));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::isfinite(read[i]) && std::isfinite(residual[i])) << i;
    EXPECT_LE(std::abs(residual[i]), largest / 253) << i;
  }
}

TEST(Int8Test, AGroupWithSomethingThatIsNotFiniteIsNan) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(2 * kGroup, 1);
    std::vector<float> residual(2 * kGroup, 0.25f);
    values[3] = bad;
    const std::vector<float> read =
        decoded("int8", values.size(), encoded("int8", values, residual));
    EXPECT_TRUE(
        std::ranges::all_of(std::span(read).first(kGroup), [](float x) { return std::isnan(x); }));
    EXPECT_EQ(read[kGroup], 1.25f);
    EXPECT_EQ(residual, std::vector<float>(2 * kGroup));
  }
}

}  // namespace
}  // namespace sluice::compression
