#include "launch/job_calls.h"

#include <future>
#include <utility>

#include "core/real_world.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::launch {
namespace {

// Calls `start` with the channel and a reply, and waits for that.
template <typename Answer, typename Start>
Result<Answer> call(const std::string& address, Start start) {
  transport::GrpcTransport transport;
  const auto channel = transport.connect_control(address);
  std::promise<Result<Answer>> answered;
  start(*channel, core::Reply<Result<Answer>>([&answered](Result<Answer> answer) {
    answered.set_value(std::move(answer));
  }));
  return answered.get_future().get();
}

}  // namespace

Result<std::string> ask_status_json(const std::string& address, core::Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(
      wire::StatusReply reply,
      call<wire::StatusReply>(address, [&](wire::ControlChannel& driver, auto reply) {
        driver.status({}, {timeout}, std::move(reply));
      }));
  return std::move(reply.json);
}

Result<driver::JobStatus> ask_status(const std::string& address, core::Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(const std::string json, ask_status_json(address, timeout));
  return driver::parse_job_status(json);
}

Result<std::string> send_command(const std::string& address, const std::string& verb,
                                 const std::vector<std::string>& arguments,
                                 core::Duration timeout) {
  const wire::CommandRequest request{verb, arguments, core::real_world().process()};
  SLUICE_ASSIGN_OR_RETURN(
      wire::CommandReply reply,
      call<wire::CommandReply>(address, [&](wire::ControlChannel& driver, auto reply) {
        driver.command(request, {timeout}, std::move(reply));
      }));
  return std::move(reply.said);
}

}  // namespace sluice::launch
