// What the tests of codecs share: values, whole round trips, and bytes that come in pieces.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "compression/decoder.h"
#include "compression/encoder.h"
#include "core/rng.h"

namespace sluice::compression {

using Bytes = std::vector<std::byte>;

inline const std::vector<std::string> kCodecs = {"none", "fp16",      "bf16",    "int8",
                                                 "1bit", "topk:0.01", "topk:0.1"};

inline Compression codec(const std::string& text) { return *Compression::parse(text); }

// Encodes in place of a residual that the caller keeps.
inline Bytes encoded(const std::string& text, const std::vector<float>& values,
                     std::vector<float>& residual) {
  Bytes bytes(encoded_bytes(codec(text), values.size()));
  encode(codec(text), values, residual, bytes);
  return bytes;
}

// With a residual of zeros that nobody looks at.
inline Bytes encoded(const std::string& text, const std::vector<float>& values) {
  std::vector<float> residual(values.size());
  return encoded(text, values, residual);
}

// `sizes` one after the other, again and again.
inline std::vector<std::span<const std::byte>> cut(std::span<const std::byte> bytes,
                                                   const std::vector<size_t>& sizes) {
  std::vector<std::span<const std::byte>> pieces;
  for (size_t i = 0; !bytes.empty(); i = (i + 1) % sizes.size()) {
    const size_t n = std::min(sizes[i], bytes.size());
    pieces.push_back(bytes.first(n));
    bytes = bytes.subspan(n);
  }
  return pieces;
}

inline std::vector<float> decoded(const std::string& text, size_t values, Pieces pieces) {
  const Status valid = validate(codec(text), values, pieces);
  EXPECT_TRUE(valid.ok()) << valid;
  std::vector<float> result, scratch(kBlock);
  if (!valid.ok()) return std::vector<float>(values);
  Decoder decoder(codec(text), values, pieces);
  for (auto block = decoder.next(scratch); !block.empty(); block = decoder.next(scratch)) {
    result.insert(result.end(), block.begin(), block.end());
  }
  EXPECT_EQ(result.size(), values);
  return result;
}

inline std::vector<float> decoded(const std::string& text, size_t values, const Bytes& bytes) {
  const std::span<const std::byte> whole = bytes;
  return decoded(text, values, Pieces(&whole, 1));
}

// Bit by bit: NaN is itself, and -0 is not 0.
inline std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> result;
  for (const float value : values) result.push_back(std::bit_cast<uint32_t>(value));
  return result;
}

inline Bytes bytes_of(const std::vector<int>& numbers) {
  Bytes result;
  for (const int number : numbers) result.push_back(static_cast<std::byte>(number));
  return result;
}

inline std::vector<float> normal_values(size_t n, uint64_t seed, float scale = 1e-3f) {
  core::Rng rng(seed);
  std::vector<float> values(n);
  for (float& value : values) value = scale * rng.normal();
  return values;
}

}  // namespace sluice::compression
