#include "compression/compression.h"

#include <gtest/gtest.h>

namespace sluice::compression {
namespace {

using Kind = Compression::Kind;

TEST(CompressionTest, IsWrittenAsItIsRead) {
  for (const char* text : {"none", "fp16", "bf16", "int8", "1bit", "topk:0.01", "topk:0.0005",
                           "topk:0.5", "topk:0.123456789"}) {
    const auto read = Compression::parse(text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->to_string(), text);
  }
  EXPECT_EQ(Compression().to_string(), "none");
  EXPECT_EQ(*Compression::parse("topk:1e-2"), (Compression{Kind::kTopK, 0.01}));
}

TEST(CompressionTest, CaseDoesNotMatter) {
  EXPECT_EQ(*Compression::parse("BF16"), Compression{Kind::kBf16});
  EXPECT_EQ(*Compression::parse("1Bit"), Compression{Kind::kOneBit});
  EXPECT_EQ(*Compression::parse("TopK:0.25"), (Compression{Kind::kTopK, 0.25}));
}

TEST(CompressionTest, WhatIsNoneIsRefusedWithWhatWasExpected) {
  const auto message = [](const char* text) {
    const auto read = Compression::parse(text);
    EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument) << text;
    return read.status().message();
  };
  EXPECT_EQ(message("int4"),
            "compression: expected none, fp16, bf16, int8, 1bit or topk:FRACTION, got \"int4\"");
  EXPECT_EQ(message("int8:2"), "compression: expected int8 alone, got \"int8:2\"");
  EXPECT_EQ(message("topk:0.6"),
            "compression: expected topk with a fraction of the values from 0.0005 to 0.5, as "
            "topk:0.01, got \"topk:0.6\"");
  EXPECT_EQ(message("a\nb"),
            "compression: expected none, fp16, bf16, int8, 1bit or topk:FRACTION, got \"a?b\"");
  for (const char* text : {"", " int8", "fp16:", "topk", "topk:", "topk:0", "topk:-0.1", "topk:nan",
                           "topk:inf", "topk:0.00049", "topk:0.01x", "topk:1%", "topk: 0.1",
                           "topk:0.1:0.1", "topk:1e-400", "topk0.1"}) {
    EXPECT_NE(message(text), "") << text;
  }
}

TEST(CompressionTest, BytesAreThoseOfTheBlocks) {
  const auto bytes = [](const char* text, size_t values) {
    return encoded_bytes(*Compression::parse(text), values);
  };
  for (const char* text : {"none", "fp16", "bf16", "int8", "1bit", "topk:0.01"}) {
    EXPECT_EQ(bytes(text, 0), 0u) << text;
    EXPECT_EQ(bytes(text, 3 * kBlock + 7), 3 * bytes(text, kBlock) + bytes(text, 7)) << text;
  }
  EXPECT_EQ(bytes("none", 5), 20u);
  EXPECT_EQ(bytes("fp16", 5), 10u);
  EXPECT_EQ(bytes("bf16", 2049), 4098u);
  EXPECT_EQ(bytes("int8", 1), 5u);
  EXPECT_EQ(bytes("int8", 512), 516u);
  EXPECT_EQ(bytes("int8", 513), 521u);
  EXPECT_EQ(bytes("int8", kBlock), 2064u);
  EXPECT_EQ(bytes("1bit", 1), 12u);
  EXPECT_EQ(bytes("1bit", 32), 12u);
  EXPECT_EQ(bytes("1bit", 33), 16u);
  EXPECT_EQ(bytes("1bit", 513), 84u);
  EXPECT_EQ(bytes("1bit", kBlock), 288u);
  EXPECT_EQ(bytes("topk:0.01", kBlock), 22u + 2 * 20);
  EXPECT_EQ(bytes("topk:0.1", kBlock), 132u + 2 * 205);
  EXPECT_EQ(bytes("topk:0.5", kBlock), 256u + 2 * 1024);
  EXPECT_EQ(bytes("topk:0.01", 1), 3u);
}

TEST(CompressionTest, TopKChoosesAtLeastOne) {
  const Compression few{Kind::kTopK, 0.01};
  EXPECT_EQ(few.chosen(1), 1u);
  EXPECT_EQ(few.chosen(149), 1u);
  EXPECT_EQ(few.chosen(151), 2u);
  EXPECT_EQ(few.chosen(kBlock), 20u);
  EXPECT_EQ((Compression{Kind::kTopK, 0.0005}).chosen(kBlock), 1u);
}

}  // namespace
}  // namespace sluice::compression
