// The codecs, a block at a time: encoder.h and decoder.h go over many.
//
// encode_x() adds `values` to `residual`, writes the code of the sums and leaves in `residual` what
// the code does not tell. n values, 0 < n <= kBlock; the bytes are block_bytes() of them, at any
// address. What is not finite: see encoder.h.
#pragma once

#include <cstddef>
#include <span>

#include "compression/compression.h"
#include "sluice/status.h"

namespace sluice::compression {

size_t block_bytes(const Compression& compression, size_t n);
void encode_block(const Compression& compression, size_t n, const float* values, float* residual,
                  std::byte* into);
// `from` was accepted by check_block().
void decode_block(const Compression& compression, size_t n, const std::byte* from, float* into);
// Whether the bytes are a block's. Any are, but for topk's.
bool check_block(const Compression& compression, size_t n, const std::byte* from);

void encode_none(size_t n, const float* values, float* residual, std::byte* into);

// Two bytes each: IEEE 754's binary16, and the first half of a float; the nearest, of two the even.
void encode_fp16(size_t n, const float* values, float* residual, std::byte* into);
void decode_fp16(size_t n, const std::byte* from, float* into);
void encode_bf16(size_t n, const float* values, float* residual, std::byte* into);
void decode_bf16(size_t n, const std::byte* from, float* into);

// Groups of kGroup values: a float s = max|x| / 127, then a signed byte q each, the integer nearest
// to x * (127 / max|x|), of two the even. D = s * q.
// Where s would be no normal float, max|x| < 1.5e-36, it is zero and everything is kept.
size_t int8_bytes(size_t n);
void encode_int8(size_t n, const float* values, float* residual, std::byte* into);
void decode_int8(size_t n, const std::byte* from, float* into);

// Groups of kGroup values: two floats, the mean of those that are >= 0 and the mean of the others
// (zero where there are none), then the bits of which is which, 1 for >= 0, in W = ceil(n / 32)
// words: bit b of word w is value b * W + w, so that vectors of words take vectors of values.
size_t one_bit_bytes(size_t n);
void encode_one_bit(size_t n, const float* values, float* residual, std::byte* into);
void decode_one_bit(size_t n, const std::byte* from, float* into);

// The k values that are largest by magnitude, of equal ones the first: their positions (see
// positions.h), then the values themselves as bf16 in the same order. Two bytes are enough where
// what they lack is kept; and bf16 goes as low as floats do, where fp16 would make zeros of the
// updates of a small learning rate.
size_t top_k_bytes(size_t n, size_t k);
void encode_top_k(size_t n, size_t k, const float* values, float* residual, std::byte* into);
void decode_top_k(size_t n, size_t k, const std::byte* from, float* into);

}  // namespace sluice::compression
