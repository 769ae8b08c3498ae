#include "transport/grpc/control_methods.h"

#include "transport/grpc/caller.h"
#include "transport/grpc/message_method.h"

namespace sluice::transport {

using Reply = Method::Reply;

std::vector<Method> control_methods(wire::ControlService& service) {
  return {
      message_method<v1::JoinRequest>("/sluice.v1.Control/Join",
                                      [&service](const v1::JoinRequest& message,
                                                 const ::grpc::ServerContext& call, Reply reply) {
                                        Result<wire::JoinRequest> request = from_proto(message);
                                        if (!request.ok()) return reply(request.status());
                                        Caller caller = caller_of(call);
                                        request->came_from = std::move(caller.host);
                                        request->came_to = std::move(caller.called);
                                        service.join(*request,
                                                     as_message<wire::JoinReply>(std::move(reply)));
                                      }),
      message_method<v1::AcquireRequest>(
          "/sluice.v1.Control/Acquire",
          [&service](const v1::AcquireRequest& message, Reply reply) {
            service.acquire(from_proto(message), as_message<wire::AcquireReply>(std::move(reply)));
          }),
      message_method<v1::HeartbeatRequest>(
          "/sluice.v1.Control/Heartbeat",
          [&service](const v1::HeartbeatRequest& message, Reply reply) {
            service.heartbeat(from_proto(message),
                              as_message<wire::HeartbeatReply>(std::move(reply)));
          }),
      message_method<v1::FinishRequest>("/sluice.v1.Control/Finish",
                                        [&service](const v1::FinishRequest& message, Reply reply) {
                                          service.finish(from_proto(message),
                                                         as_empty(std::move(reply)));
                                        }),
      message_method<v1::LeaveRequest>("/sluice.v1.Control/Leave",
                                       [&service](const v1::LeaveRequest& message, Reply reply) {
                                         service.leave(from_proto(message),
                                                       as_empty(std::move(reply)));
                                       }),
      message_method<v1::FetchRequest>(
          "/sluice.v1.Control/Fetch",
          [&service](const v1::FetchRequest& message, Reply reply) {
            service.fetch(from_proto(message), as_message<wire::RecordChunk>(std::move(reply)));
          }),
      message_method<v1::StatusRequest>(
          "/sluice.v1.Control/GetStatus",
          [&service](const v1::StatusRequest& message, Reply reply) {
            service.status(from_proto(message), as_message<wire::StatusReply>(std::move(reply)));
          }),
      message_method<v1::CommandRequest>(
          "/sluice.v1.Control/Command",
          [&service](const v1::CommandRequest& message, Reply reply) {
            service.command(from_proto(message), as_message<wire::CommandReply>(std::move(reply)));
          }),
  };
}

}  // namespace sluice::transport
