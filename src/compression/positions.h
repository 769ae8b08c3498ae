// Which k of n values are meant, in few bits and always as many.
//
// Of each position in ascending order, the values that are left out before it are counted; of the
// count the last L bits are written as they are, and the rest of it as so many zeros and a one
// (Golomb, "Run-length encodings", 1966; Rice's choice of a power of two):
//
//   k + floor((n - k) / 2^L) bits   zeros and ones; those behind the last one are zero
//   k * L bits                      the last bits
//
// from the lowest bit of the first byte on, up to a whole byte. L is the least with
// floor((n - k) / 2^L) <= 2 k, which makes the fewest bits; L = 0 is a bitmap.
//
//   of 2048 values, bytes   k = 20, 1 %   k = 205, 10 %
//   these                        22             132
//   11 bits each                 28             282
//   16 bits each                 40             410
//   a bitmap                    256             256
//
// Positions that are read ascend, whatever the bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::compression {

// 0 < k <= n <= kBlock, in all of these.
size_t positions_bytes(size_t n, size_t k);

// k positions, ascending, below n.
void write_positions(size_t n, size_t k, const uint16_t* positions, std::byte* into);

// False: there are more or fewer than k positions in the bytes, or some are not below n. Takes
// far less time than reading them.
bool check_positions(size_t n, size_t k, const std::byte* from);

// Into k positions, of bytes that check_positions() accepted.
void read_positions(size_t n, size_t k, const std::byte* from, uint16_t* positions);

}  // namespace sluice::compression
