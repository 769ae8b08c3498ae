#include "transport/grpc/parameter_methods.h"

#include "transport/grpc/message_method.h"

namespace sluice::transport {
namespace {

using Reply = Method::Reply;

::grpc::ByteBuffer values_message(const wire::PullReply& values, const wire::PushReply* push) {
  v1::ValuesHeader header;
  header.set_version(values.version);
  header.set_clock(values.clock);
  if (push) *header.mutable_push() = to_proto(*push);
  return to_buffer(header, values.values);
}

::grpc::ByteBuffer exchanged(const wire::ExchangeReply& reply) {
  return values_message(reply.pull, &reply.push);
}

::grpc::ByteBuffer pulled(const wire::PullReply& reply) { return values_message(reply, nullptr); }

}  // namespace

std::vector<Method> parameter_methods(wire::ParameterService& service) {
  return {
      message_method<v1::CreateRequest>("/sluice.v1.Parameters/Create",
                                        [&service](const v1::CreateRequest& message, Reply reply) {
                                          service.create(from_proto(message),
                                                         as_empty(std::move(reply)));
                                        }),
      payload_method<v1::AssignHeader>(
          "/sluice.v1.Parameters/Assign",
          [&service](const v1::AssignHeader& header, wire::ReceivedPayload values, Reply reply) {
            service.assign(from_proto(header), std::move(values), as_empty(std::move(reply)));
          }),
      payload_method<v1::PushHeader>(
          "/sluice.v1.Parameters/Exchange",
          [&service](const v1::PushHeader& header, wire::ReceivedPayload update, Reply reply) {
            service.exchange(from_proto(header), std::move(update),
                             as_buffer<wire::ExchangeReply>(std::move(reply), exchanged));
          }),
      message_method<v1::PullRequest>(
          "/sluice.v1.Parameters/Pull",
          [&service](const v1::PullRequest& message, Reply reply) {
            service.pull(from_proto(message), as_buffer<wire::PullReply>(std::move(reply), pulled));
          }),
      message_method<v1::FenceRequest>(
          "/sluice.v1.Parameters/Fence",
          [&service](const v1::FenceRequest& message, Reply reply) {
            service.fence(from_proto(message), as_message<wire::FenceReply>(std::move(reply)));
          }),
      message_method<v1::LedgerRequest>(
          "/sluice.v1.Parameters/Ledger",
          [&service](const v1::LedgerRequest& message, Reply reply) {
            service.ledger(from_proto(message), as_message<wire::LedgerReply>(std::move(reply)));
          }),
      message_method<v1::PingRequest>("/sluice.v1.Parameters/Ping",
                                      [&service](const v1::PingRequest& message, Reply reply) {
                                        service.ping(message.job(),
                                                     as_message<wire::PingReply>(std::move(reply)));
                                      }),
      message_method<v1::GateRequest>("/sluice.v1.Parameters/SetGate",
                                      [&service](const v1::GateRequest& message, Reply reply) {
                                        service.set_gate(from_proto(message),
                                                         as_empty(std::move(reply)));
                                      }),
  };
}

}  // namespace sluice::transport
