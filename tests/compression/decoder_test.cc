#include "compression/decoder.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

class DecoderTest : public testing::TestWithParam<std::string> {};

TEST_P(DecoderTest, ReadsTheSameHoweverTheBytesAreCut) {
  constexpr size_t kValues = 2 * kBlock + 100;
  const Bytes bytes = encoded(GetParam(), normal_values(kValues, 1));
  const std::vector<float> expected = decoded(GetParam(), kValues, bytes);
  for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{
           {1}, {3}, {5, 7}, {0, 9}, {1, 64, 2}, {0, 0, 1000, 0}, {bytes.size() - 1}}) {
    EXPECT_EQ(decoded(GetParam(), kValues, cut(bytes, sizes)), expected);
  }
}

TEST_P(DecoderTest, BytesMayBeCutAnywhere) {
  constexpr size_t kValues = 70;
  const Bytes bytes = encoded(GetParam(), normal_values(kValues, 2));
  const std::vector<float> expected = decoded(GetParam(), kValues, bytes);
  for (size_t at = 0; at <= bytes.size(); ++at) {
    const auto whole = std::span<const std::byte>(bytes);
    const std::span<const std::byte> pieces[] = {whole.first(at), {}, whole.subspan(at)};
    ASSERT_EQ(decoded(GetParam(), kValues, Pieces(pieces)), expected) << at;
  }
}

TEST_P(DecoderTest, BlocksAreReadInAnyOrder) {
  constexpr size_t kValues = 4 * kBlock + 3;
  const Bytes bytes = encoded(GetParam(), normal_values(kValues, 3));
  const std::vector<float> expected = decoded(GetParam(), kValues, bytes);
  const auto pieces = cut(bytes, {1000, 1, 0, 77});
  Decoder decoder(codec(GetParam()), kValues, pieces);
  std::vector<float> scratch(kBlock);
  for (const size_t block : {4, 0, 2, 1, 3, 3}) {
    decoder.seek(block);
    const auto read = decoder.next(scratch);
    const auto part = std::span(expected).subspan(block * kBlock, block == 4 ? 3 : kBlock);
    ASSERT_TRUE(std::ranges::equal(read, part)) << block;
  }
  EXPECT_EQ(decoder.next(scratch).size(), 3u) << "goes on behind the last";
  EXPECT_TRUE(decoder.next(scratch).empty());
  decoder.seek(5);
  EXPECT_TRUE(decoder.next(scratch).empty());
}

TEST_P(DecoderTest, AnotherNumberOfBytesIsRefused) {
  for (const size_t values : {size_t{1}, size_t{600}, kBlock + 1}) {
    Bytes bytes = encoded(GetParam(), normal_values(values, 4));
    const auto refused = [&](Pieces pieces) {
      return validate(codec(GetParam()), values, pieces).code() == StatusCode::kInvalidArgument;
    };
    EXPECT_TRUE(refused({}));
    EXPECT_TRUE(refused(cut(std::span(bytes).first(bytes.size() - 1), {100})));
    bytes.push_back(std::byte{0});
    EXPECT_TRUE(refused(cut(bytes, {100})));
  }
}

TEST_P(DecoderTest, NoValuesAreNoBytes) {
  EXPECT_TRUE(validate(codec(GetParam()), 0, {}).ok());
  std::vector<float> scratch(1);
  EXPECT_TRUE(Decoder(codec(GetParam()), 0, {}).next(scratch).empty());
}

TEST_P(DecoderTest, AnyBytesAreRefusedOrDecoded) {
  core::Rng rng(5);
  for (int round = 0; round < 300; ++round) {
    const size_t values = 1 + rng.below(3000);
    Bytes bytes = encoded(GetParam(), normal_values(values, round));
    for (uint64_t flips = rng.below(40); flips > 0; --flips) {
      bytes[rng.below(bytes.size())] ^= static_cast<std::byte>(1 << rng.below(8));
    }
    const std::span<const std::byte> whole = bytes;
    if (!validate(codec(GetParam()), values, Pieces(&whole, 1)).ok()) continue;
    decoded(GetParam(), values, bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, DecoderTest, testing::ValuesIn(kCodecs), [](const auto& each) {
  std::string name = each.param;
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name;
});

TEST(ValidateTest, SaysWhatIsWrong) {
  const Bytes bytes(1000);
  const auto message = [&](const char* text, size_t values) {
    const std::span<const std::byte> whole = bytes;
    return validate(codec(text), values, Pieces(&whole, 1)).to_string();
  };
  EXPECT_EQ(message("int8", 1000),
            "INVALID_ARGUMENT: int8 update: expected 1008 bytes for 1000 values, got 1000");
  EXPECT_EQ(message("fp16", 500), "OK");
}

TEST(ValidateTest, DamagedPositionsAreRefusedWithTheirBlock) {
  constexpr size_t kValues = 2 * kBlock + 10;
  const Bytes whole = encoded("topk:0.01", normal_values(kValues, 6));
  const size_t block = encoded_bytes(codec("topk:0.01"), kBlock);
  const auto status = [&](const Bytes& bytes) {
    return validate(codec("topk:0.01"), kValues, cut(bytes, {13}));
  };
  EXPECT_TRUE(status(whole).ok());
  Bytes damaged = whole;
  damaged[block] ^= std::byte{1};  // one position more, or one less
  EXPECT_EQ(status(damaged).to_string(),
            "DATA_LOSS: topk:0.01 update: the block from value 2048 on has damaged positions");
  damaged = whole;
  damaged[2 * block] = std::byte{0};
  EXPECT_EQ(status(damaged).to_string(),
            "DATA_LOSS: topk:0.01 update: the block from value 4096 on has damaged positions");
}

TEST(ValidateTest, ScalesAndMeansMayBeAnything) {
  const auto values_of = [](const std::string& text, const Bytes& bytes) {
    return decoded(text, 2, bytes);
  };
  const float infinity = std::numeric_limits<float>::infinity();
  // A NaN's bytes, and an infinity's.
  EXPECT_TRUE(std::isnan(values_of("int8", bytes_of({0, 0, 0xc0, 0x7f, 1, 0}))[0]));
  EXPECT_EQ(values_of("int8", bytes_of({0, 0, 0x80, 0x7f, 1, -128})),
            (std::vector<float>{infinity, -infinity}));
  const std::vector<float> means =
      values_of("1bit", bytes_of({0, 0, 0x80, 0x7f, 0, 0, 0xc0, 0x7f, 1, 0xff, 0, 0}));
  EXPECT_EQ(means[0], infinity);
  EXPECT_TRUE(std::isnan(means[1]));
  EXPECT_TRUE(std::isnan(values_of("topk:0.5", bytes_of({1, 0xc0, 0x7f}))[0]));
}

TEST(DecoderDeathTest, WhatWasNotValidatedIsNotReadBeyondItsEnd) {
  std::vector<float> scratch(kBlock);
  const Bytes bytes(63);
  const std::span<const std::byte> whole = bytes;
  Decoder ended(codec("int8"), 60, Pieces(&whole, 1));
  EXPECT_DEATH(ended.next(scratch), "update ended 1 bytes early");
  const Bytes zeros(62);
  const std::span<const std::byte> no_positions = zeros;
  EXPECT_DEATH(Decoder(codec("topk:0.01"), kBlock, Pieces(&no_positions, 1)).next(scratch),
               "a block that was not checked");
  EXPECT_DEATH(Decoder(codec("fp16"), 31, Pieces(&whole, 1)).next(std::span(scratch).first(30)),
               "31 values for a scratch of 30");
}

}  // namespace
}  // namespace sluice::compression
