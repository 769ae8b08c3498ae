#include "compression/short_floats.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/short_float.h"
#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(ShortFloatsTest, BytesAndRestsByHand) {
  // 1 + 2^-12 lies between 1 and the next fp16, 1 + 2^-10; 70000 beyond the largest.
  const std::vector<float> values = {1, -2, 0, 1 + 0x1p-12f, 0x1p-24f, 70000};
  std::vector<float> rest(values.size());
  EXPECT_EQ(encoded("fp16", values, rest),
            bytes_of({0, 0x3c, 0, 0xc0, 0, 0, 0, 0x3c, 1, 0, 0xff, 0x7b}));
  EXPECT_EQ(rest, (std::vector<float>{0, 0, 0, 0x1p-12f, 0, 70000 - 65504}));
  rest.assign(values.size(), 0);
  EXPECT_EQ(encoded("bf16", values, rest),
            bytes_of({0x80, 0x3f, 0, 0xc0, 0, 0, 0x80, 0x3f, 0x80, 0x33, 0x89, 0x47}));
  EXPECT_EQ(rest, (std::vector<float>{0, 0, 0, 0x1p-12f, 0, 70000 - 70144}));
}

// Of every two neighbours: what lies between goes to the nearer, the middle to the even one.
template <typename Code, typename Meaning>
void expect_nearest(uint16_t last, Code to_short, Meaning meaning) {
  for (uint32_t bits = 0; bits < last; ++bits) {
    const auto low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits + 1);
    const float middle = static_cast<float>(
        (static_cast<double>(meaning(low)) + static_cast<double>(meaning(high))) / 2);
    const uint16_t even = low % 2 == 0 ? low : high;
    for (const float sign : {1.0f, -1.0f}) {
      const uint16_t sign_bit = sign < 0 ? 0x8000 : 0;
      const auto expect = [&](float x, uint16_t expected) {
        const ShortFloat code = to_short(sign * x);
        ASSERT_EQ(code.bits, expected | sign_bit) << x;
        ASSERT_EQ(code.rest, sign * x - sign * meaning(expected)) << x;
      };
      expect(meaning(low), low);
      expect(middle, even);
      expect(std::nextafter(middle, 0.0f), low);
      expect(std::nextafter(middle, kInfinity), high);
    }
  }
}

TEST(ShortFloatsTest, Fp16IsTheNearest) { expect_nearest(0x7bff, to_fp16, core::from_half); }

TEST(ShortFloatsTest, Bf16IsTheNearest) { expect_nearest(0x7f7f, to_bf16, core::from_bfloat16); }

TEST(ShortFloatsTest, WhatIsFiniteStaysFinite) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const float x : {65504.0f, 65519.0f, 65520.0f, 65536.0f, 1e30f, kLargest}) {
    EXPECT_EQ(to_fp16(x).bits, 0x7bff);
    EXPECT_EQ(to_fp16(-x).bits, 0xfbff);
    EXPECT_EQ(to_fp16(x).rest, x - 65504);
  }
  EXPECT_EQ(to_bf16(kLargest).bits, 0x7f7f);
  EXPECT_EQ(to_bf16(-kLargest).rest, -(kLargest - core::from_bfloat16(0x7f7f)));
}

TEST(ShortFloatsTest, WhatIsNotFiniteIsSentAndNotKept) {
  // A NaN all of whose payload lies in the half that is cut off.
  const float small_nan = std::bit_cast<float>(0xff800001);
  std::vector<float> values = {kInfinity, -kInfinity, kNan, small_nan, 1};
  for (const char* text : {"fp16", "bf16"}) {
    std::vector<float> residual(values.size());
    const Bytes bytes = encoded(text, values, residual);
    EXPECT_EQ(residual, std::vector<float>(values.size())) << text;
    const std::vector<float> read = decoded(text, values.size(), bytes);
    EXPECT_EQ(read[0], kInfinity) << text;
    EXPECT_EQ(read[1], -kInfinity) << text;
    EXPECT_TRUE(std::isnan(read[2])) << text;
    EXPECT_TRUE(std::isnan(read[3])) << text;
    EXPECT_EQ(read[4], 1) << text;
  }
}

TEST(ShortFloatsTest, AllHalvesAreReadAsTheyWere) {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bool is_sent = (bits & 0x7c00) != 0x7c00 && bits != 0x8000;  // -0 + 0 is 0
    if (is_sent) values.push_back(core::from_half(static_cast<uint16_t>(bits)));
  }
  EXPECT_EQ(bits(decoded("fp16", values.size(), encoded("fp16", values))), bits(values));
}

}  // namespace
}  // namespace sluice::compression
