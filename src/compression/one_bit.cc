// See CMakeLists.txt for how this is compiled.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "compression/codecs.h"
#include "core/simd.h"

namespace sluice::compression {
namespace {

constexpr size_t kBits = 32;                 // of a word
constexpr size_t kWords = kGroup / kBits;    // of a whole group
constexpr size_t kHead = 2 * sizeof(float);  // the means

struct Group {
  float positive[kWords] = {}, negative[kWords] = {};  // sums of the values, apart for each word
  uint32_t words[kWords] = {};
};

// The rows of a group whose values have one bit: `width` values, as many as there are words. Called
// with a constant for whole groups. The order in which a sum is made is part of the format: all
// instruction sets make the same.
[[gnu::always_inline]] inline void accumulate_rows(size_t n, size_t width,
                                                   const float* __restrict values,
                                                   float* __restrict residual, Group& group) {
  for (size_t bit = 0, i = 0; i < n; ++bit, i += width) {
    const size_t count = std::min(width, n - i);
    for (size_t w = 0; w < count; ++w) {
      const float x = residual[i + w] + values[i + w];
      const bool is_positive = x >= 0;
      residual[i + w] = x;
      group.positive[w] += is_positive ? x : 0;
      group.negative[w] += is_positive ? 0 : x;
      group.words[w] |= static_cast<uint32_t>(is_positive) << bit;
    }
  }
}

SLUICE_SIMD void accumulate_whole(const float* values, float* residual, Group& group) {
  accumulate_rows(kGroup, kWords, values, residual, group);
}

SLUICE_SIMD void subtract(size_t n, float positive, float negative, float* residual) {
  for (size_t i = 0; i < n; ++i) residual[i] -= residual[i] >= 0 ? positive : negative;
}

[[gnu::always_inline]] inline void decode_rows(size_t n, size_t width, float positive,
                                               float negative, const uint32_t* __restrict words,
                                               float* __restrict into) {
  for (size_t bit = 0, i = 0; i < n; ++bit, i += width) {
    const size_t count = std::min(width, n - i);
    for (size_t w = 0; w < count; ++w) {
      into[i + w] = (words[w] >> bit & 1) != 0 ? positive : negative;
    }
  }
}

SLUICE_SIMD void decode_whole(float positive, float negative, const uint32_t* words, float* into) {
  decode_rows(kGroup, kWords, positive, negative, words, into);
}

size_t words_of(size_t n) { return (n + kBits - 1) / kBits; }

size_t group_bytes(size_t n) { return kHead + sizeof(uint32_t) * words_of(n); }

float mean(float sum, size_t count) { return count == 0 ? 0 : sum / static_cast<float>(count); }

void encode_group(size_t n, const float* values, float* residual, std::byte* into) {
  Group group;
  if (n == kGroup) {
    accumulate_whole(values, residual, group);
  } else {
    accumulate_rows(n, words_of(n), values, residual, group);
  }
  float positive = 0, negative = 0;
  size_t positives = 0;
  for (size_t w = 0; w < words_of(n); ++w) {
    positive += group.positive[w];
    negative += group.negative[w];
    positives += static_cast<size_t>(std::popcount(group.words[w]));
  }
  float means[] = {mean(positive, positives), mean(negative, n - positives)};
  if (std::isfinite(means[0]) && std::isfinite(means[1])) {
    subtract(n, means[0], means[1], residual);
  } else {
    std::ranges::fill(means, std::numeric_limits<float>::quiet_NaN());
    std::fill_n(residual, n, 0.0f);
  }
  std::memcpy(into, means, kHead);
  std::memcpy(into + kHead, group.words, sizeof(uint32_t) * words_of(n));
}

void decode_group(size_t n, const std::byte* from, float* into) {
  float means[2];
  uint32_t words[kWords];
  std::memcpy(means, from, kHead);
  std::memcpy(words, from + kHead, sizeof(uint32_t) * words_of(n));
  if (n == kGroup) {
    decode_whole(means[0], means[1], words, into);
  } else {
    decode_rows(n, words_of(n), means[0], means[1], words, into);
  }
}

}  // namespace

size_t one_bit_bytes(size_t n) {
  const size_t rest = n % kGroup;
  return n / kGroup * group_bytes(kGroup) + (rest == 0 ? 0 : group_bytes(rest));
}

void encode_one_bit(size_t n, const float* values, float* residual, std::byte* into) {
  for (size_t i = 0; i < n; i += kGroup) {
    const size_t count = std::min(kGroup, n - i);
    encode_group(count, values + i, residual + i, into);
    into += group_bytes(count);
  }
}

void decode_one_bit(size_t n, const std::byte* from, float* into) {
  for (size_t i = 0; i < n; i += kGroup) {
    const size_t count = std::min(kGroup, n - i);
    decode_group(count, from, into + i);
    from += group_bytes(count);
  }
}

}  // namespace sluice::compression
