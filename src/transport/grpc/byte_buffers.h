// Between grpc::ByteBuffer and messages. Internal: includes gRPC and protobuf.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <vector>

#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::transport {

::grpc::ByteBuffer to_buffer(const google::protobuf::MessageLite& message);

// A message of raw_message.h. The payload is not copied; the buffer holds on to its owner.
::grpc::ByteBuffer to_buffer(const google::protobuf::MessageLite& header,
                             const wire::Payload& payload);

// False: the bytes are no such message. `buffer` is used up.
bool parse(::grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message);

// A received message of raw_message.h; `payload` views `slices`, and a small slice keeps its bytes
// within itself, so it can only be moved.
struct ReceivedPayload {
  ReceivedPayload() = default;
  ReceivedPayload(ReceivedPayload&&) = default;

  std::vector<::grpc::Slice> slices;
  wire::PayloadView payload;
};
// INVALID_ARGUMENT: the bytes are no such message. `buffer` is used up.
Result<ReceivedPayload> parse(::grpc::ByteBuffer& buffer, google::protobuf::MessageLite& header,
                              const char* what);

}  // namespace sluice::transport
