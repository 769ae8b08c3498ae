// Elements of tensors and matrices: float and bfloat16, and TF32, which is how tensor cores read a
// float.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::emulator {

enum class Number { kFloat, kBfloat16 };

inline size_t size_of(Number number) { return number == Number::kFloat ? 4 : 2; }

inline float bfloat16_to_float(uint16_t x) { return std::bit_cast<float>(uint32_t{x} << 16); }

// To nearest, ties to even.
inline uint16_t float_to_bfloat16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// 10 bits of mantissa, to nearest, ties away from zero: PTX's cvt.rna.tf32.
inline float round_to_tf32(float x) {
  if (!std::isfinite(x)) return x;
  return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0x1000) & ~uint32_t{0x1fff});
}

inline float load(const void* array, size_t i, Number number) {
  if (number == Number::kFloat) return static_cast<const float*>(array)[i];
  return bfloat16_to_float(static_cast<const uint16_t*>(array)[i]);
}

inline void store(void* array, size_t i, Number number, float x) {
  if (number == Number::kFloat) {
    static_cast<float*>(array)[i] = x;
  } else {
    static_cast<uint16_t*>(array)[i] = float_to_bfloat16(x);
  }
}

// How a library reads the inputs of a product.
enum class Precision { kExact, kTf32 };

inline float read(const void* array, size_t i, Number number, Precision precision) {
  const float x = load(array, i, number);
  return precision == Precision::kTf32 ? round_to_tf32(x) : x;
}

// What a result becomes: alpha x + beta y, where a beta of 0 does not read y.
struct Scale {
  float alpha = 1.0f;
  float beta = 0.0f;

  float blend(float x, const void* y, size_t i, Number number) const {
    return beta == 0.0f ? alpha * x : alpha * x + beta * load(y, i, number);
  }
};

}  // namespace sluice::emulator
