#include "transport/grpc/byte_buffers.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>
#include <string>
#include <vector>

#include "transport/grpc/hand_over.h"
#include "transport/grpc/raw_message.h"

namespace sluice::transport {
namespace {

// A slice that is the payload's memory; its owner is let go when gRPC has done with it, which may
// be after the call is over.
::grpc::Slice borrowed_slice(const wire::Bytes& payload) {
  using Owner = std::shared_ptr<const void>;
  auto owner = std::make_unique<Owner>(payload.owner);
  hand_over(owner.get());
  // gRPC only reads it.
  auto* data = const_cast<std::byte*>(payload.bytes.data());
  return {data, payload.bytes.size(),
          [](void* held) {
            take_over(held);
            std::unique_ptr<Owner>(static_cast<Owner*>(held));
          },
          owner.release()};
}

}  // namespace

::grpc::ByteBuffer to_buffer(const google::protobuf::MessageLite& message) {
  // Never without slices: gRPC cannot write such a buffer.
  const ::grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

::grpc::ByteBuffer to_buffer(const google::protobuf::MessageLite& header,
                             std::span<const wire::Bytes> payload) {
  size_t bytes = 0;
  for (const wire::Bytes& piece : payload) bytes += piece.bytes.size();
  std::vector<::grpc::Slice> slices;
  slices.reserve(payload.size() + 1);
  slices.emplace_back(encode_prefix(header.SerializeAsString(), bytes));
  for (const wire::Bytes& piece : payload) slices.push_back(borrowed_slice(piece));
  return {slices.data(), slices.size()};
}

bool parse(::grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  if (!buffer.Valid()) return false;
  ::grpc::ProtoBufferReader reader(&buffer);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

Result<wire::ReceivedPayload> parse(::grpc::ByteBuffer& buffer,
                                    google::protobuf::MessageLite& header, const char* what) {
  // Where they lie for good: a small slice keeps its bytes within itself.
  const auto slices = std::make_shared<std::vector<::grpc::Slice>>();
  if (!buffer.Valid() || !buffer.Dump(slices.get()).ok()) {
    return invalid_argument(std::string(what) + ": the message is empty");
  }
  std::vector<std::span<const std::byte>> pieces;
  pieces.reserve(slices->size());
  for (const ::grpc::Slice& slice : *slices) {
    pieces.push_back(std::as_bytes(std::span(slice.begin(), slice.size())));
  }
  Result<RawMessage> message = decode(pieces);
  if (!message.ok()) return message.status().with_context(what);
  if (!header.ParseFromString(message->header)) {
    return invalid_argument(std::string(what) + ": the header is damaged");
  }
  return wire::ReceivedPayload{std::move(message->payload), slices};
}

}  // namespace sluice::transport
