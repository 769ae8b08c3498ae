// What people ask of a driver, as messages.
#include "transport/grpc/control_messages.h"

namespace sluice::transport {

v1::StatusRequest to_proto(const wire::StatusRequest&) { return {}; }

wire::StatusRequest from_proto(const v1::StatusRequest&) { return {}; }

v1::StatusReply to_proto(const wire::StatusReply& reply) {
  v1::StatusReply message;
  message.set_json(reply.json);
  return message;
}

wire::StatusReply from_proto(const v1::StatusReply& reply) { return {reply.json()}; }

v1::CommandRequest to_proto(const wire::CommandRequest& request) {
  v1::CommandRequest message;
  message.set_verb(request.verb);
  for (const std::string& argument : request.arguments) message.add_arguments(argument);
  message.set_host(request.process.host);
  message.set_pid(request.process.pid);
  return message;
}

wire::CommandRequest from_proto(const v1::CommandRequest& request) {
  wire::CommandRequest result;
  result.verb = request.verb();
  result.arguments.assign(request.arguments().begin(), request.arguments().end());
  result.process.host = request.host();
  result.process.pid = request.pid();
  return result;
}

v1::CommandReply to_proto(const wire::CommandReply& reply) {
  v1::CommandReply message;
  message.set_said(reply.said);
  return message;
}

wire::CommandReply from_proto(const v1::CommandReply& reply) { return {reply.said()}; }

}  // namespace sluice::transport
