// Who comes and who goes, as messages.
#include <fmt/core.h>

#include "transport/grpc/control_messages.h"

namespace sluice::transport {
namespace {

// What a member has to say must not be too long to be heard.
constexpr size_t kLongestReason = size_t{64} << 10;

}  // namespace

v1::JoinRequest to_proto(const wire::JoinRequest& request) {
  v1::JoinRequest message;
  message.set_role(request.role == wire::Role::kServer ? v1::ROLE_SERVER : v1::ROLE_WORKER);
  message.set_version(request.version);
  message.set_host(request.process.host);
  message.set_machine(request.process.machine);
  message.set_pid(request.process.pid);
  message.set_started(request.process.started);
  message.set_address(request.address);
  message.set_preferred_index(request.preferred_index);
  message.set_attempt(request.attempt);
  message.set_container(request.process.container);
  message.set_address_guessed(request.address_guessed);
  for (const std::string& gpu : request.gpus) message.add_gpus(gpu);
  for (const core::CorePool& pool : request.cores) {
    v1::CorePool* to = message.add_cores();
    to->set_name(pool.name);
    to->set_cores(pool.cores);
  }
  return message;
}

Result<wire::JoinRequest> from_proto(const v1::JoinRequest& request) {
  if (request.role() != v1::ROLE_SERVER && request.role() != v1::ROLE_WORKER) {
    return invalid_argument(fmt::format("Join: expected a role, server or worker, got {}",
                                        static_cast<int>(request.role())));
  }
  wire::JoinRequest result;
  result.role = request.role() == v1::ROLE_SERVER ? wire::Role::kServer : wire::Role::kWorker;
  result.version = request.version();
  result.process = {request.host(), request.machine(), request.pid(), request.started(),
                    request.container()};
  result.address = request.address();
  result.preferred_index = request.preferred_index();
  result.attempt = request.attempt();
  result.address_guessed = request.address_guessed();
  result.gpus.assign(request.gpus().begin(), request.gpus().end());
  for (const v1::CorePool& pool : request.cores()) {
    result.cores.push_back({pool.name(), pool.cores()});
  }
  return result;
}

v1::JoinReply to_proto(const wire::JoinReply& reply) {
  v1::JoinReply message;
  message.set_member(reply.member);
  message.set_index(reply.index);
  message.set_job(reply.job);
  message.set_job_spec(reply.job_spec);
  message.set_slot(reply.slot);
  message.set_gpu(reply.gpu);
  return message;
}

wire::JoinReply from_proto(const v1::JoinReply& reply) {
  return {reply.job(), reply.member(), reply.index(), reply.job_spec(), reply.slot(), reply.gpu()};
}

v1::LeaveRequest to_proto(const wire::LeaveRequest& request) {
  v1::LeaveRequest message;
  message.set_job(request.job);
  message.set_member(request.member);
  message.set_code(static_cast<int>(request.status.code()));
  message.set_message(request.status.message().substr(0, kLongestReason));
  message.set_drained(request.drained);
  return message;
}

wire::LeaveRequest from_proto(const v1::LeaveRequest& request) {
  const bool known =
      request.code() >= 0 && request.code() <= static_cast<int>(StatusCode::kDataLoss);
  const auto code = known ? static_cast<StatusCode>(request.code()) : StatusCode::kUnknown;
  return {request.job(), request.member(), Status(code, request.message()), request.drained()};
}

}  // namespace sluice::transport
