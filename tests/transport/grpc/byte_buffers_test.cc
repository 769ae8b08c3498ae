#include "transport/grpc/byte_buffers.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "parameters.pb.h"
#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

// Zero is a slice without bytes; up to 23 lie within the slice itself.
constexpr size_t kOddSizes[] = {1, 2, 0, 7, 23, 24, 500, 3};

grpc::ByteBuffer cut(const std::string& bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0, i = 0; at < bytes.size(); ++i) {
    slices.emplace_back(bytes.substr(at, kOddSizes[i % std::size(kOddSizes)]));
    at += slices.back().size();
  }
  return {slices.data(), slices.size()};
}

v1::PushHeader header() {
  v1::PushHeader result;
  result.set_job(42);
  result.set_sequence(1'000'000'007);
  for (int i = 0; i < 5; ++i) result.add_metrics()->set_samples(1000 + i);
  return result;
}

wire::Payload counted(size_t floats) {
  std::vector<float> values(floats);
  std::iota(values.begin(), values.end(), 0.5f);
  return payload_of(std::move(values));
}

std::string joined(const wire::ReceivedPayload& payload) {
  std::string bytes;
  for (const auto piece : payload.pieces) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  return bytes;
}

std::string bytes_in(const wire::Payload& payload) {
  return {reinterpret_cast<const char*>(payload.values.data()), payload.values.size_bytes()};
}

grpc::ByteBuffer message_of(const wire::Payload& payload) {
  const wire::Bytes bytes = payload;
  return to_buffer(header(), {&bytes, 1});
}

TEST(GrpcByteBuffersTest, PayloadInOddSlicesIsReadWholeAndMayBeMoved) {
  const wire::Payload sent = counted(1001);
  grpc::ByteBuffer buffer = cut(bytes_of(message_of(sent)));
  v1::PushHeader read;
  Result<wire::ReceivedPayload> received = parse(buffer, read, "Push");
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(read.DebugString(), header().DebugString());
  buffer.Clear();
  const wire::ReceivedPayload moved = *std::move(received);
  EXPECT_EQ(joined(moved), bytes_in(sent));
}

TEST(GrpcByteBuffersTest, MessageInOddSlicesIsReadWhole) {
  grpc::ByteBuffer buffer = cut(header().SerializeAsString());
  v1::PushHeader read;
  ASSERT_TRUE(parse(buffer, read));
  EXPECT_EQ(read.DebugString(), header().DebugString());
}

TEST(GrpcByteBuffersTest, PayloadIsNotCopied) {
  const wire::Payload sent = counted(1001);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(message_of(sent).Dump(&slices).ok());
  EXPECT_EQ(static_cast<const void*>(slices.back().begin()), sent.values.data());
}

TEST(GrpcByteBuffersTest, PiecesOfAPayloadFollowOneAnother) {
  const wire::Payload floats[] = {counted(7), counted(11)};
  const wire::Bytes pieces[] = {floats[0], wire::Bytes(), floats[1]};
  grpc::ByteBuffer buffer = cut(bytes_of(to_buffer(header(), pieces)));
  v1::PushHeader read;
  const auto received = parse(buffer, read, "Push");
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(joined(*received), bytes_in(floats[0]) + bytes_in(floats[1]));
}

TEST(GrpcByteBuffersTest, OwnerOfThePayloadIsHeldUntilTheLastBufferIsGone) {
  wire::Payload sent = counted(1001);
  const std::weak_ptr<const void> owner = sent.owner;
  grpc::ByteBuffer buffer = message_of(sent);
  sent = {};
  EXPECT_FALSE(owner.expired());
  grpc::ByteBuffer copy = buffer;
  buffer.Clear();
  EXPECT_FALSE(owner.expired());
  copy.Clear();
  EXPECT_TRUE(owner.expired());
}

TEST(GrpcByteBuffersTest, PayloadOfNothingCrosses) {
  grpc::ByteBuffer buffer = message_of({});
  v1::PushHeader read;
  const auto received = parse(buffer, read, "Push");
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(read.sequence(), 1'000'000'007);
  EXPECT_EQ(received->bytes(), 0u);
}

TEST(GrpcByteBuffersTest, BufferWithoutAMessageIsRefused) {
  grpc::ByteBuffer none;
  v1::PushHeader read;
  EXPECT_FALSE(parse(none, read));
  EXPECT_EQ(parse(none, read, "Push").status(), invalid_argument("Push: the message is empty"));
}

TEST(GrpcByteBuffersTest, DamageIsNamedByWhereItIs) {
  const std::string whole = bytes_of(message_of(counted(10)));
  v1::PushHeader read;
  grpc::ByteBuffer shorter = cut(whole.substr(0, whole.size() - 1));
  EXPECT_EQ(parse(shorter, read, "Push").status(),
            invalid_argument("Push: the message is damaged: it is no valid protobuf"));
  // A header of two bytes whose field says that five follow.
  grpc::ByteBuffer bad_header = cut(std::string("\x0a\x02\x4a\x05", 4));
  EXPECT_EQ(parse(bad_header, read, "Push").status(),
            invalid_argument("Push: the header is damaged"));
  grpc::ByteBuffer bad_message = cut(std::string("\x4a\x05", 2));
  EXPECT_FALSE(parse(bad_message, read));
}

}  // namespace
}  // namespace sluice::transport
