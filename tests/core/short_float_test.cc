#include "core/short_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::core {
namespace {

// By the definition: (-1)^s 2^(e - 15) (1 + m / 1024), and for e = 0 (-1)^s 2^-14 m / 1024.
float defined(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const float fraction = static_cast<float>(bits & 1023) / 1024;
  const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<float>::infinity() : std::nanf("");
  }
  return exponent == 0 ? std::ldexp(sign * fraction, -14)
                       : std::ldexp(sign * (1 + fraction), exponent - 15);
}

TEST(ShortFloatTest, EveryHalfIsWhatTheDefinitionSays) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float expected = defined(static_cast<uint16_t>(bits));
    const float ours = from_half(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(ours)) << bits;
    } else {
      EXPECT_EQ(ours, expected) << bits;
      EXPECT_EQ(std::signbit(ours), std::signbit(expected)) << bits;
    }
  }
}

TEST(ShortFloatTest, ABfloat16IsTheFirstHalfOfAFloat) {
  EXPECT_EQ(from_bfloat16(0x3f80), 1.0f);
  EXPECT_EQ(from_bfloat16(0xc020), -2.5f);
  EXPECT_EQ(from_bfloat16(0xff80), -std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace sluice::core
