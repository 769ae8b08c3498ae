// Floats of 16 bits, rounded to the nearest, of two to the even one: loops of them vectorise.
//
// What is finite stays finite: beyond the largest that 16 bits can say, it is that one. Infinities
// and NaN stay what they are, and leave no rest. x is a sum: what makes a NaN of it is in the upper
// half of its bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sluice::compression {

inline constexpr uint32_t kSignBit = 0x80000000;
inline constexpr uint32_t kInfinityBits = 0x7f800000;  // of magnitudes, what is at least that

struct ShortFloat {
  uint16_t bits;
  float rest;  // x - the float that the bits mean
};

[[gnu::always_inline]] inline ShortFloat to_bf16(float x) {
  constexpr uint32_t kLargest = 0x7f7f0000;
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = bits & kSignBit, magnitude = bits ^ sign;
  const uint32_t nearest = magnitude + 0x7fff + (magnitude >> 16 & 1);
  const uint32_t rounded = sign | (std::min(nearest, kLargest) & 0xffff0000);
  const float rest = x - std::bit_cast<float>(rounded);
  const bool is_finite = magnitude < kInfinityBits;
  return {static_cast<uint16_t>((is_finite ? rounded : bits) >> 16), is_finite ? rest : 0};
}

[[gnu::always_inline]] inline ShortFloat to_fp16(float x) {
  constexpr uint32_t kLargest = std::bit_cast<uint32_t>(65504.0f);
  constexpr uint32_t kSmallestNormal = std::bit_cast<uint32_t>(0x1p-14f);
  constexpr uint32_t kRebias = uint32_t{127 - 15} << 10;
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = bits & kSignBit, magnitude = bits ^ sign;
  const uint32_t bounded = std::min(magnitude, kLargest);
  const uint32_t normal = (bounded + 0xfff + (bounded >> 13 & 1)) & ~0x1fffu;
  // One half and more are floats 2^-24 apart, as small fp16 are: the sum rounds as they do.
  const float shifted = std::bit_cast<float>(bounded) + 0.5f;
  const bool is_small = bounded < kSmallestNormal;
  const uint32_t rounded = is_small ? std::bit_cast<uint32_t>(shifted - 0.5f) : normal;
  const uint32_t half = is_small ? std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5f)
                                 : (normal >> 13) - kRebias;
  const float rest = x - std::bit_cast<float>(rounded | sign);
  const bool is_finite = magnitude < kInfinityBits;
  const uint32_t special = magnitude > kInfinityBits ? 0x7e00 : 0x7c00;
  return {static_cast<uint16_t>(sign >> 16 | (is_finite ? half : special)), is_finite ? rest : 0};
}

}  // namespace sluice::compression
