// Methods of a service as bytes in and bytes out: what both planes do around a service. Internal.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "transport/grpc/byte_buffers.h"
#include "transport/grpc/control_messages.h"
#include "transport/grpc/listener.h"
#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {

// "Pull" of "/sluice.v1.Parameters/Pull".
inline std::string last_name(const char* method) {
  const std::string name = method;
  return name.substr(name.rfind('/') + 1);
}

// A method whose request is a message: `handle(const Message&, const ::grpc::ServerContext&,
// Method::Reply)`, or without the context.
template <typename Message, typename Handle>
Method message_method(const char* name, Handle handle) {
  return {name, [name, handle](::grpc::ByteBuffer request, const ::grpc::ServerContext& call,
                               Method::Reply reply) {
            Message message;
            if (!parse(request, message)) {
              return reply(invalid_argument(last_name(name) +
                                            ": the message is damaged: it is no valid protobuf"));
            }
            if constexpr (std::is_invocable_v<Handle, const Message&, const ::grpc::ServerContext&,
                                              Method::Reply>) {
              handle(message, call, std::move(reply));
            } else {
              handle(message, std::move(reply));
            }
          }};
}

// One whose request has a header and a payload, as in raw_message.h:
// `handle(const Header&, wire::ReceivedPayload, Method::Reply)`.
template <typename Header, typename Handle>
Method payload_method(const char* name, Handle handle) {
  return {name, [name, handle](::grpc::ByteBuffer request, const ::grpc::ServerContext&,
                               Method::Reply reply) {
            Header header;
            Result<wire::ReceivedPayload> payload = parse(request, header, last_name(name).c_str());
            if (!payload.ok()) return reply(payload.status());
            handle(header, *std::move(payload), std::move(reply));
          }};
}

// What a service replies to, for a method's answer: a T as `convert` writes it.
template <typename T, typename Convert>
core::Reply<Result<T>> as_buffer(Method::Reply reply, Convert convert) {
  return [reply = std::move(reply), convert](Result<T> answer) mutable {
    reply(answer.ok() ? Result<::grpc::ByteBuffer>(convert(*answer)) : answer.status());
  };
}

// A T as its message.
template <typename T>
core::Reply<Result<T>> as_message(Method::Reply reply) {
  return as_buffer<T>(std::move(reply),
                      [](const T& answer) { return to_buffer(to_proto(answer)); });
}

// No more than a status.
inline core::Reply<Status> as_empty(Method::Reply reply) {
  return [reply = std::move(reply)](const Status& answer) mutable {
    reply(answer.ok() ? Result<::grpc::ByteBuffer>(to_buffer(v1::Empty())) : answer);
  };
}

}  // namespace sluice::transport
