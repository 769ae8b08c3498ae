#include "transport/grpc/parameter_methods.h"

#include "transport/grpc/message_method.h"

namespace sluice::transport {
namespace {

using Reply = Method::Reply;

::grpc::ByteBuffer values_message(const wire::PullReply& values, const wire::PushReply* push,
                                  const SharedCaller& caller) {
  v1::ValuesHeader header;
  header.set_version(values.version);
  header.set_clock(values.clock);
  if (push) *header.mutable_push() = to_proto(*push);
  header.set_held(values.held);
  if (values.difference) {
    *header.mutable_difference() = to_proto(values.difference->encoding);
    return to_buffer(header, {&values.difference->code, 1});
  }
  if (caller.lend(values.values, header)) return to_buffer(header, {});
  const std::vector<wire::Bytes> pieces(values.values.begin(), values.values.end());
  return to_buffer(header, pieces);
}

using Door = std::shared_ptr<memory::Door>;

void exchange(wire::ParameterService& service, const Door& door, const v1::PushHeader& header,
              wire::ReceivedPayload update, Reply reply) {
  SharedCaller caller;
  if (header.has_shared()) {
    Result<SharedCaller> found = SharedCaller::find(header.shared(), door.get());
    if (!found.ok()) return reply(found.status());
    caller = *std::move(found);
    Result<wire::ReceivedPayload> shared = caller.payload(header.shared());
    if (!shared.ok()) return reply(shared.status());
    update = *std::move(shared);
  }
  service.exchange(
      from_proto(header), std::move(update),
      as_buffer<wire::ExchangeReply>(std::move(reply), [caller](const wire::ExchangeReply& answer) {
        return values_message(answer.pull, &answer.push, caller);
      }));
}

void pull(wire::ParameterService& service, const Door& door, const v1::PullRequest& request,
          Reply reply) {
  SharedCaller caller;
  if (request.has_shared()) {
    Result<SharedCaller> found = SharedCaller::find(request.shared(), door.get());
    if (!found.ok()) return reply(found.status());
    caller = *std::move(found);
  }
  service.pull(from_proto(request), as_buffer<wire::PullReply>(
                                        std::move(reply), [caller](const wire::PullReply& answer) {
                                          return values_message(answer, nullptr, caller);
                                        }));
}

}  // namespace

std::vector<Method> parameter_methods(wire::ParameterService& service,
                                      const std::shared_ptr<SharedMemory>& memory) {
  const auto opened = memory->door();
  const Door door = opened.ok() ? *opened : nullptr;
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
      payload_method<v1::PushHeader>("/sluice.v1.Parameters/Exchange",
                                     [&service, door](const v1::PushHeader& header,
                                                      wire::ReceivedPayload update, Reply reply) {
                                       exchange(service, door, header, std::move(update),
                                                std::move(reply));
                                     }),
      message_method<v1::PullRequest>(
          "/sluice.v1.Parameters/Pull",
          [&service, door](const v1::PullRequest& message, Reply reply) {
            pull(service, door, message, std::move(reply));
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
      message_method<v1::DoorRequest>(
          "/sluice.v1.Parameters/Door",
          [opened](const v1::DoorRequest&, Reply reply) { reply(to_buffer(door_reply(opened))); }),
      message_method<v1::GateRequest>("/sluice.v1.Parameters/SetGate",
                                      [&service](const v1::GateRequest& message, Reply reply) {
                                        service.set_gate(from_proto(message),
                                                         as_empty(std::move(reply)));
                                      }),
      message_method<v1::MoveRequest>("/sluice.v1.Parameters/Move",
                                      [&service](const v1::MoveRequest& message, Reply reply) {
                                        service.move(from_proto(message),
                                                     as_message<wire::MoveReply>(std::move(reply)));
                                      }),
  };
}

}  // namespace sluice::transport
