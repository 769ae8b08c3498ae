#include "transport/grpc/raw_message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "parameters.pb.h"

namespace sluice::transport {
namespace {

using Pieces = std::vector<std::span<const std::byte>>;

// `bytes` cut into pieces of `size`.
Pieces cut(const std::string& bytes, size_t size) {
  Pieces pieces;
  for (auto rest = std::as_bytes(std::span(bytes)); !rest.empty();
       rest = rest.subspan(pieces.back().size())) {
    pieces.push_back(rest.first(std::min(size, rest.size())));
  }
  return pieces;
}

std::string joined(const Pieces& payload) {
  std::string bytes;
  for (const auto piece : payload) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  return bytes;
}

v1::PushMessage message(size_t payload) {
  v1::PushMessage result;
  result.mutable_header()->set_job(42);
  result.mutable_header()->set_partition(-3);
  result.mutable_header()->set_sequence(1'000'000'007);
  result.mutable_header()->add_metrics()->set_loss_sum(2.5);
  for (size_t i = 0; i < payload; ++i) {
    result.mutable_payload()->push_back(static_cast<char>(i * 37));
  }
  return result;
}

TEST(RawMessageTest, ProtobufReadsWhatWeWrite) {
  for (const size_t size : {0, 1, 127, 128, 16'384, 3'000'000}) {
    const v1::PushMessage expected = message(size);
    const std::string bytes =
        encode_prefix(expected.header().SerializeAsString(), size) + expected.payload();
    v1::PushMessage read;
    ASSERT_TRUE(read.ParseFromString(bytes)) << size;
    EXPECT_EQ(read.SerializeAsString(), expected.SerializeAsString()) << size;
  }
}

TEST(RawMessageTest, WeReadWhatProtobufWrites) {
  for (const size_t size : {0, 1, 127, 128, 16'384}) {
    const v1::PushMessage expected = message(size);
    const std::string bytes = expected.SerializeAsString();
    for (const size_t piece : {size_t{1}, size_t{3}, size_t{64}, size_t{100'000}}) {
      const Pieces pieces = cut(bytes, piece);
      const auto read = decode(pieces);
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(read->header, expected.header().SerializeAsString());
      EXPECT_EQ(joined(read->payload), expected.payload());
    }
  }
}

TEST(RawMessageTest, AnyClientsOrderAndUnknownFieldsAreRead) {
  // 2: a varint, 3: fixed32, 4: fixed64, 5: bytes; then the payload before the header.
  const std::string unknown(
      "\x10\x96\x01\x1d"
      "abcd"
      "\x21"
      "abcdefgh"
      "\x2a\x02"
      "xy",
      21);
  const std::string bytes = unknown +
                            "\x7a\x04"
                            "data" +
                            unknown +
                            "\x0a\x03"
                            "hdr";
  const Pieces pieces = cut(bytes, 5);
  const auto read = decode(pieces);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->header, "hdr");
  EXPECT_EQ(joined(read->payload), "data");
}

TEST(RawMessageTest, TheLastPayloadCountsAsInProtobuf) {
  const std::string bytes =
      "\x7a\x01"
      "a"
      "\x7a\x02"
      "bc";
  v1::PushMessage expected;
  ASSERT_TRUE(expected.ParseFromString(bytes));
  EXPECT_EQ(joined(decode(cut(bytes, 2))->payload), expected.payload());
}

TEST(RawMessageTest, NothingIsAnEmptyMessage) {
  const auto read = decode({});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->header, "");
  EXPECT_EQ(read->payload.size(), 0u);
}

TEST(RawMessageTest, EveryTruncationIsFoundOutOrWholeFields) {
  const std::string bytes = message(100).SerializeAsString();
  v1::PushMessage expected;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string prefix = bytes.substr(0, size);
    const Pieces pieces = cut(prefix, 7);
    EXPECT_EQ(decode(pieces).ok(), expected.ParsePartialFromString(prefix)) << size;
  }
}

TEST(RawMessageTest, RubbishIsRefused) {
  const std::vector<std::string> rubbish = {
      std::string("\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),      // 2^64 - 1 bytes follow
      std::string("\x0a\xff\xff\xff\xff\x7f", 6),                           // 32 GiB of header
      std::string("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12),  // endless varint
      std::string("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11),
      std::string("\x00", 1),  // field 0
      "\x0b\x0c",              // groups
      "\x0f",                  // wire type 7
      "\x09"
      "1234567",  // fixed64 cut short
      "\x0d"
      "123",  // fixed32 cut short
      "GET / HTTP/1.1\r\n\r\n",
  };
  for (const std::string& bytes : rubbish) {
    const Pieces pieces = cut(bytes, 3);
    EXPECT_EQ(decode(pieces).status().code(), StatusCode::kInvalidArgument);
  }
}

// As that of a push with the counters of many classes.
TEST(RawMessageTest, HeadersMayBeLarge) {
  const std::string header(size_t{5} << 20, 'x');
  const std::string bytes = encode_prefix(header, 0);
  const Pieces pieces = cut(bytes, 100'000);
  const auto message = decode(pieces);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->header, header);
}

}  // namespace
}  // namespace sluice::transport
