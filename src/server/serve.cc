#include "server/serve.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "core/log.h"
#include "core/process_info.h"
#include "core/rng.h"
#include "core/version.h"
#include "server/parameter_server.h"
#include "wire/heartbeat.h"
#include "wire/patience.h"
#include "wire/training_spec.h"

namespace sluice::server {
namespace {

constexpr core::Duration kGoodbye = std::chrono::milliseconds(500);

// Set once by whoever wants the server to end.
class EndOfService {
 public:
  void set(Status why) {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    why_ = std::move(why);
    changed_.notify_all();
  }
  // Also ends when `stop` is set, with CANCELLED.
  Status wait(const std::atomic<bool>& stop) {
    std::unique_lock lock(mutex_);
    while (!ended_) {
      if (stop.load()) return cancelled("stopped by a signal");
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    return why_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  Status why_;
};

// What other hosts should call an address that says "any interface".
std::string advertised(const std::string& listening) {
  for (const std::string any : {"0.0.0.0:", "[::]:"}) {
    if (listening.rfind(any, 0) == 0) return core::host_name() + ":" + listening.substr(any.size());
  }
  return listening;
}

// The driver ends the servers of a good job and of an aborted one with the same call. What it
// answers to a heartbeat tells which it was; a driver that is gone by now has ended the job.
Status how_it_ended(wire::ControlChannel& driver, int64_t member) {
  wire::HeartbeatRequest request;
  request.member = member;
  const auto reply = driver.heartbeat(request, {.timeout = kGoodbye});
  if (!reply.ok() || reply->kind != wire::HeartbeatReply::Kind::kAbort) return ok_status();
  return cancelled(reply->reason);
}

}  // namespace

Status serve(wire::Transport& transport, const ServeOptions& options,
             const std::atomic<bool>& stop) {
  EndOfService end;
  ParameterServer server([&end](const std::string& reason) {
    SLUICE_LOG(info, "ending: {}", reason);
    end.set(ok_status());
  });
  SLUICE_ASSIGN_OR_RETURN(const auto listener,
                          transport.listen(options.listen, &server, options.threads));
  wire::JoinRequest request;
  request.role = wire::Role::kServer;
  request.version = core::version();
  request.host = core::host_name();
  request.pid = getpid();
  request.address = options.advertise.empty() ? advertised(listener->address()) : options.advertise;
  request.preferred_index = options.preferred_index;
  request.attempt = core::unique_number();
  SLUICE_LOG(info, "listening at {}; joining the driver at {}", request.address, options.driver);
  const auto driver = transport.connect_control(options.driver);
  SLUICE_ASSIGN_OR_RETURN(
      const wire::JoinReply joined,
      wire::call_patiently(
          options.driver, wire::joining(options.join_timeout, stop),
          [&](const wire::CallOptions& call) { return driver->join(request, call); }));
  log::set_role("server " + std::to_string(joined.index));
  const Result<wire::TrainingSpec> spec = wire::parse_training_spec(joined.job_spec);
  Status status = spec.status();
  if (spec.ok()) {
    wire::Heartbeat heartbeat(driver, joined.member,
                              {spec->heartbeat_interval, spec->driver_timeout},
                              [&end](Status why) { end.set(std::move(why)); });
    status = end.wait(stop);
    if (status.ok()) status = how_it_ended(*driver, joined.member);
  }
  (void)driver->leave({joined.member, status}, {.timeout = kGoodbye});
  return status;
}

}  // namespace sluice::server
