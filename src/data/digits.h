// Digits drawn from strokes, so that there is always something to train on.
//
// An endless sequence of records for each seed, record i depending on nothing but (seed, i). Each
// is a digit from 0 to 9 in one of a few ways to write it, its points moved a little, bent,
// sheared, rotated, scaled and shifted, drawn with a pen of random width and ink, over noise and
// stray marks, on 28 x 28 pixels of one byte. The same bytes on every machine: no function of the C
// library whose last bit differs between them, and no fused multiplications.
//
// Trained on 60,000 records, a linear softmax model tells 81.5 % of 10,000 others, the CNN of the
// MNIST example 99.5 % after one epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "data/records.h"

namespace sluice::data {

inline constexpr int kDigitSide = 28;
inline constexpr int kDigitPixels = kDigitSide * kDigitSide;

// Where the records to test with begin; those to train with begin at 0.
inline constexpr int64_t kDigitTestFirst = int64_t{1} << 32;

// Draws record `index` into `pixels` (kDigitPixels, 0 background to 255 ink); returns its label.
int32_t draw_digit(uint64_t seed, int64_t index, std::span<uint8_t> pixels);

// Records first, ..., first + count - 1 of `seed`, drawn by as many threads as there are cores.
// Named "generated digits". Throws std::invalid_argument unless first >= 0 and count >= 1.
std::shared_ptr<const Records> generate_digits(int64_t first, int64_t count, uint64_t seed);

}  // namespace sluice::data
