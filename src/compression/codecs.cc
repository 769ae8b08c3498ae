#include "compression/codecs.h"

#include <cstring>

#include "compression/positions.h"
#include "core/byte_order.h"
#include "core/simd.h"

namespace sluice::compression {

using Kind = Compression::Kind;

size_t block_bytes(const Compression& compression, size_t n) {
  switch (compression.kind) {
    case Kind::kNone:
      break;
    case Kind::kFp16:
    case Kind::kBf16:
      return 2 * n;
    case Kind::kInt8:
      return int8_bytes(n);
    case Kind::kOneBit:
      return one_bit_bytes(n);
    case Kind::kTopK:
      return top_k_bytes(n, compression.chosen(n));
  }
  return sizeof(float) * n;
}

void encode_block(const Compression& compression, size_t n, const float* values, float* residual,
                  std::byte* into) {
  switch (compression.kind) {
    case Kind::kNone:
      return encode_none(n, values, residual, into);
    case Kind::kFp16:
      return encode_fp16(n, values, residual, into);
    case Kind::kBf16:
      return encode_bf16(n, values, residual, into);
    case Kind::kInt8:
      return encode_int8(n, values, residual, into);
    case Kind::kOneBit:
      return encode_one_bit(n, values, residual, into);
    case Kind::kTopK:
      return encode_top_k(n, compression.chosen(n), values, residual, into);
  }
}

void decode_block(const Compression& compression, size_t n, const std::byte* from, float* into) {
  switch (compression.kind) {
    case Kind::kNone:
      std::memcpy(into, from, sizeof(float) * n);
      return;
    case Kind::kFp16:
      return decode_fp16(n, from, into);
    case Kind::kBf16:
      return decode_bf16(n, from, into);
    case Kind::kInt8:
      return decode_int8(n, from, into);
    case Kind::kOneBit:
      return decode_one_bit(n, from, into);
    case Kind::kTopK:
      return decode_top_k(n, compression.chosen(n), from, into);
  }
}

bool check_block(const Compression& compression, size_t n, const std::byte* from) {
  if (compression.kind != Kind::kTopK) return true;
  return check_positions(n, compression.chosen(n), from);
}

SLUICE_SIMD void encode_none(size_t n, const float* __restrict values, float* __restrict residual,
                             std::byte* __restrict into) {
  for (size_t i = 0; i < n; ++i) {
    const float x = values[i] + residual[i];
    residual[i] = 0;
    std::memcpy(into + sizeof(float) * i, &x, sizeof(float));
  }
}

}  // namespace sluice::compression
