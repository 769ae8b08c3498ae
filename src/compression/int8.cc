// See CMakeLists.txt for how this is compiled.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "compression/codecs.h"
#include "compression/short_floats.h"
#include "core/simd.h"

namespace sluice::compression {
namespace {

constexpr float kSteps = 127;
// 127 of the next one are rounded to infinity.
constexpr float kLargestScale = 0x1.020406p121f;
// Added to a float of a few hundred at most, leaves its nearest integer in the last bits.
constexpr float kRounder = 0x1.8p23f;

// Adds the values; the bits of the largest magnitude, those of a NaN being larger than any.
SLUICE_SIMD uint32_t accumulate(size_t n, const float* __restrict values,
                                float* __restrict residual) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    residual[i] += values[i];
    largest = std::max(largest, std::bit_cast<uint32_t>(residual[i]) & ~kSignBit);
  }
  return largest;
}

SLUICE_SIMD void quantize(size_t n, float scale, float inverse, float* __restrict residual,
                          std::byte* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    const float shifted = residual[i] * inverse + kRounder;
    residual[i] -= scale * (shifted - kRounder);
    into[i] = static_cast<std::byte>(std::bit_cast<uint32_t>(shifted));
  }
}

SLUICE_SIMD void dequantize(size_t n, float scale, const std::byte* __restrict from,
                            float* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    into[i] = scale * static_cast<float>(static_cast<int8_t>(from[i]));
  }
}

void encode_group(size_t n, const float* values, float* residual, std::byte* into) {
  const uint32_t largest = accumulate(n, values, residual);
  const bool is_finite = largest < kInfinityBits;
  const float max = std::bit_cast<float>(largest);
  float scale = std::min(max / kSteps, kLargestScale);
  if (!is_finite) scale = std::numeric_limits<float>::quiet_NaN();
  if (scale < std::numeric_limits<float>::min()) scale = 0;
  std::memcpy(into, &scale, sizeof(scale));
  into += sizeof(scale);
  if (scale > 0) {
    quantize(n, scale, kSteps / max, residual, into);
    return;
  }
  std::memset(into, 0, n);
  if (!is_finite) std::fill_n(residual, n, 0.0f);
}

}  // namespace

size_t int8_bytes(size_t n) { return n + sizeof(float) * ((n + kGroup - 1) / kGroup); }

void encode_int8(size_t n, const float* values, float* residual, std::byte* into) {
  for (size_t i = 0; i < n; i += kGroup) {
    const size_t count = std::min(kGroup, n - i);
    encode_group(count, values + i, residual + i, into);
    into += int8_bytes(count);
  }
}

void decode_int8(size_t n, const std::byte* from, float* into) {
  for (size_t i = 0; i < n; i += kGroup) {
    const size_t count = std::min(kGroup, n - i);
    float scale;
    std::memcpy(&scale, from, sizeof(scale));
    dequantize(count, scale, from + sizeof(scale), into + i);
    from += int8_bytes(count);
  }
}

}  // namespace sluice::compression
