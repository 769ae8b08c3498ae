// Floats of 16 bits, as files hold them.
#pragma once

#include <bit>
#include <cstdint>

namespace sluice::core {

// IEEE 754's binary16.
inline float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
  float magnitude;
  if (exponent == 0) {
    magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  } else if (exponent == 0x1f) {
    magnitude = std::bit_cast<float>(0x7f800000 | mantissa << 13);
  } else {
    magnitude = std::bit_cast<float>((exponent + 127 - 15) << 23 | mantissa << 13);
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
}

// The first half of a float.
inline float from_bfloat16(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

}  // namespace sluice::core
