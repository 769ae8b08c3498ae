// See CMakeLists.txt for how this is compiled.
#include "compression/short_floats.h"

#include <cstring>

#include "compression/codecs.h"
#include "core/short_float.h"
#include "core/simd.h"

namespace sluice::compression {

SLUICE_SIMD void encode_fp16(size_t n, const float* __restrict values, float* __restrict residual,
                             std::byte* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    const ShortFloat code = to_fp16(values[i] + residual[i]);
    residual[i] = code.rest;
    std::memcpy(into + 2 * i, &code.bits, 2);
  }
}

SLUICE_SIMD void decode_fp16(size_t n, const std::byte* __restrict from, float* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, 2);
    into[i] = core::from_half(bits);
  }
}

SLUICE_SIMD void encode_bf16(size_t n, const float* __restrict values, float* __restrict residual,
                             std::byte* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    const ShortFloat code = to_bf16(values[i] + residual[i]);
    residual[i] = code.rest;
    std::memcpy(into + 2 * i, &code.bits, 2);
  }
}

SLUICE_SIMD void decode_bf16(size_t n, const std::byte* __restrict from, float* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, 2);
    into[i] = core::from_bfloat16(bits);
  }
}

}  // namespace sluice::compression
