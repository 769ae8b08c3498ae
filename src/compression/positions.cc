#include "compression/positions.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "compression/compression.h"
#include "core/byte_order.h"

namespace sluice::compression {
namespace {

constexpr size_t kBits = 64;  // of a word

struct Layout {
  size_t low;    // bits of each position that are written as they are
  size_t unary;  // bits of zeros and ones
  size_t bits;   // of all
};

Layout layout_of(size_t n, size_t k) {
  // A bit more for each of k saves half of the rest's zeros, rounded up.
  size_t low = 0;
  while ((n - k) >> low > 2 * k) ++low;
  const size_t unary = k + ((n - k) >> low);
  return {low, unary, unary + k * low};
}

// What a block's positions take at most, and two words more: of a bitmap, the bits that are written
// as they are, none, begin behind it, and two words are looked at for any.
using Words = uint64_t[kBlock / kBits + 2];

uint64_t first_bits(size_t count) {
  return count < kBits ? (uint64_t{1} << count) - 1 : ~uint64_t{0};
}

// `low` < 64 bits from `at` on.
uint64_t bits_at(const Words& words, size_t at, size_t low) {
  const uint64_t* word = words + at / kBits;
  const size_t shift = at % kBits;
  // Two shifts: one of 64 is not defined.
  const uint64_t bits = word[0] >> shift | word[1] << 1 << (kBits - 1 - shift);
  return bits & first_bits(low);
}

void set_bits_at(Words& words, size_t at, uint64_t bits) {
  uint64_t* word = words + at / kBits;
  const size_t shift = at % kBits;
  word[0] |= bits << shift;
  word[1] |= bits >> 1 >> (kBits - 1 - shift);
}

// The sum of what is written as it is: bits of one weight are counted together.
size_t sum_of_lows(const Words& words, const Layout& layout, size_t k) {
  if (layout.low == 0) return 0;
  const size_t at_once = (kBits - 1) / layout.low;
  const uint64_t lowest = first_bits(at_once * layout.low) / first_bits(layout.low);  // of each
  size_t sum = 0;
  for (size_t i = 0; i < k; i += at_once) {
    const size_t count = std::min(at_once, k - i) * layout.low;
    const uint64_t bits = bits_at(words, layout.unary + i * layout.low, count);
    for (size_t weight = 0; weight < layout.low; ++weight) {
      sum += static_cast<size_t>(std::popcount(bits >> weight & lowest)) << weight;
    }
  }
  return sum;
}

}  // namespace

size_t positions_bytes(size_t n, size_t k) { return (layout_of(n, k).bits + 7) / 8; }

void write_positions(size_t n, size_t k, const uint16_t* positions, std::byte* into) {
  const Layout layout = layout_of(n, k);
  Words words = {};
  size_t zeros = 0, next = 0;
  for (size_t i = 0; i < k; ++i) {
    const size_t left_out = positions[i] - next;
    next = positions[i] + size_t{1};
    zeros += left_out >> layout.low;
    set_bits_at(words, zeros + i, 1);
    set_bits_at(words, layout.unary + i * layout.low, left_out & first_bits(layout.low));
  }
  std::memcpy(into, words, (layout.bits + 7) / 8);
}

bool check_positions(size_t n, size_t k, const std::byte* from) {
  const Layout layout = layout_of(n, k);
  Words words = {};
  std::memcpy(words, from, (layout.bits + 7) / 8);
  size_t ones = 0, end = 0;  // bits up to the last one
  for (size_t begin = 0; begin < layout.unary; begin += kBits) {
    const uint64_t word = words[begin / kBits] & first_bits(layout.unary - begin);
    ones += static_cast<size_t>(std::popcount(word));
    if (word != 0) end = begin + static_cast<size_t>(std::bit_width(word));
  }
  if (ones != k) return false;
  return ((end - k) << layout.low) + sum_of_lows(words, layout, k) + k - 1 < n;
}

void read_positions(size_t n, size_t k, const std::byte* from, uint16_t* positions) {
  const Layout layout = layout_of(n, k);
  Words words = {};
  std::memcpy(words, from, (layout.bits + 7) / 8);
  size_t found = 0, low_sum = 0;
  for (size_t begin = 0; begin < layout.unary; begin += kBits) {
    uint64_t ones = words[begin / kBits] & first_bits(layout.unary - begin);
    for (; ones != 0; ones &= ones - 1) {
      const size_t zeros = begin + static_cast<size_t>(std::countr_zero(ones)) - found;
      low_sum += bits_at(words, layout.unary + found * layout.low, layout.low);
      positions[found] = static_cast<uint16_t>((zeros << layout.low) + low_sum + found);
      ++found;
    }
  }
}

}  // namespace sluice::compression
