// Between grpc::ByteBuffer and messages. Internal: includes gRPC and protobuf.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::transport {

::grpc::ByteBuffer to_buffer(const google::protobuf::MessageLite& message);

// A message of raw_message.h, its payload in pieces. They are not copied; the buffer holds on to
// their owners.
::grpc::ByteBuffer to_buffer(const google::protobuf::MessageLite& header,
                             std::span<const wire::Bytes> payload);

// False: the bytes are no such message. `buffer` is used up.
bool parse(::grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message);

// A received message of raw_message.h: its payload, which owns the buffer's slices, and, in
// `header`, the rest. INVALID_ARGUMENT: the bytes are no such message. `buffer` is used up.
Result<wire::ReceivedPayload> parse(::grpc::ByteBuffer& buffer,
                                    google::protobuf::MessageLite& header, const char* what);

}  // namespace sluice::transport
