// See CMakeLists.txt for how this is compiled.
#include <algorithm>
#include <bit>
#include <cstring>

#include "compression/codecs.h"
#include "compression/positions.h"
#include "compression/short_floats.h"
#include "core/check.h"
#include "core/short_float.h"
#include "core/simd.h"

namespace sluice::compression {
namespace {

// Magnitudes are compared by their bits, which order as they do; a NaN is larger than any.
[[gnu::always_inline]] inline uint32_t magnitude(float x) {
  return std::bit_cast<uint32_t>(x) & ~kSignBit;
}

// Adds the values; the largest magnitude.
SLUICE_SIMD uint32_t accumulate_block(size_t n, const float* __restrict values,
                                      float* __restrict residual) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    residual[i] += values[i];
    largest = std::max(largest, magnitude(residual[i]));
  }
  return largest;
}

SLUICE_SIMD uint32_t count_from(uint32_t threshold, size_t n, const float* x) {
  uint32_t count = 0;
  for (size_t i = 0; i < n; ++i) count += magnitude(x[i]) >= threshold ? 1 : 0;
  return count;
}

SLUICE_SIMD void mark_from(uint32_t threshold, size_t n, const float* __restrict x,
                           uint8_t* __restrict marks) {
  for (size_t i = 0; i < n; ++i) marks[i] = magnitude(x[i]) >= threshold ? 1 : 0;
}

struct Threshold {
  uint32_t least;  // at least k magnitudes are that large
  size_t ties;     // of those that are just that large, how many belong to the k
};

// By halving, once the power of two is known: thirty counts at most, but a dozen as a rule, for it
// ends where a count is k.
Threshold threshold_of(size_t k, size_t n, uint32_t largest, const float* x) {
  uint32_t low = 0, high = largest + 1;  // at least k from `low` on, fewer from `high` on
  size_t from_high = 0;
  size_t step = size_t{1} << 23;  // of the bits: a power of two of the values
  while (high - low > 1) {
    const auto middle = static_cast<uint32_t>(high - std::min<size_t>((high - low) / 2, step));
    const size_t count = count_from(middle, n, x);
    if (count == k) return {middle, n};
    if (count > k) {
      low = middle;
    } else {
      high = middle;
      from_high = count;
      step *= 2;
    }
  }
  return {low, k - from_high};
}

// Of 64 marks; the product moves each of eight into a bit of its last byte.
uint64_t bits_of(const uint8_t* marks) {
  uint64_t bits = 0;
  for (size_t i = 0; i < 64; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, marks + i, 8);
    bits |= (eight * 0x0102040810204080) >> 56 << i;
  }
  return bits;
}

// The positions of the k, ascending.
void choose(size_t k, size_t n, Threshold threshold, const float* x, uint16_t* positions) {
  alignas(64) uint8_t marks[kBlock];
  mark_from(threshold.least, n, x, marks);
  std::fill(marks + n, marks + (n + 63) / 64 * 64, uint8_t{0});
  size_t found = 0;
  for (size_t begin = 0; begin < n; begin += 64) {
    for (uint64_t bits = bits_of(marks + begin); bits != 0; bits &= bits - 1) {
      const size_t i = begin + static_cast<size_t>(std::countr_zero(bits));
      if (magnitude(x[i]) == threshold.least) {
        if (threshold.ties == 0) continue;
        --threshold.ties;
      }
      positions[found++] = static_cast<uint16_t>(i);
    }
  }
  SLUICE_CHECK(found == k) << "chose " << found << " of " << n << " values instead of " << k;
}

}  // namespace

size_t top_k_bytes(size_t n, size_t k) { return positions_bytes(n, k) + 2 * k; }

void encode_top_k(size_t n, size_t k, const float* values, float* residual, std::byte* into) {
  const uint32_t largest = accumulate_block(n, values, residual);
  uint16_t positions[kBlock];
  choose(k, n, threshold_of(k, n, largest, residual), residual, positions);
  write_positions(n, k, positions, into);
  into += positions_bytes(n, k);
  for (size_t i = 0; i < k; ++i) {
    float& x = residual[positions[i]];
    const ShortFloat code = to_bf16(x);
    x = code.rest;
    std::memcpy(into + 2 * i, &code.bits, 2);
  }
  if (largest < kInfinityBits) return;
  // What is not finite goes first; where there was more of it than k, that was enough to say.
  std::replace_if(
      residual, residual + n, [](float x) { return magnitude(x) >= kInfinityBits; }, 0.0f);
}

void decode_top_k(size_t n, size_t k, const std::byte* from, float* into) {
  SLUICE_CHECK(check_positions(n, k, from)) << "topk: a block that was not checked";
  uint16_t positions[kBlock];
  read_positions(n, k, from, positions);
  from += positions_bytes(n, k);
  std::fill_n(into, n, 0.0f);
  for (size_t i = 0; i < k; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, 2);
    into[positions[i]] = core::from_bfloat16(bits);
  }
}

}  // namespace sluice::compression
