#include "train/roles.h"

#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "core/log.h"
#include "core/process_info.h"
#include "core/version.h"
#include "server/parameter_server.h"
#include "train/child_processes.h"
#include "train/signals.h"
#include "transport/grpc/grpc_transport.h"
#include "wire/heartbeat.h"
#include "wire/training_spec.h"
#include "worker/worker.h"

namespace sluice::train {
namespace {

constexpr const char* kChildFlag = "--sluice-child";

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

}  // namespace

Status run_server_role(const RoleOptions& options, const std::atomic<bool>& stop) {
  transport::GrpcTransport transport;
  EndOfService end;
  server::ParameterServer server([&end](const std::string& reason) {
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
  request.preferred_index = options.index;
  SLUICE_LOG(info, "listening at {}; joining the driver at {}", request.address, options.driver);
  const auto driver = transport.connect_control(options.driver);
  SLUICE_ASSIGN_OR_RETURN(
      const wire::JoinReply joined,
      driver->join(request, {.timeout = core::from_seconds(options.join_timeout_s)}));
  log::set_role("server " + std::to_string(joined.index));
  SLUICE_ASSIGN_OR_RETURN(const wire::TrainingSpec spec,
                          wire::parse_training_spec(joined.job_spec));
  Status status;
  {
    wire::Heartbeat heartbeat(driver, joined.member,
                              {spec.heartbeat_interval, spec.driver_timeout},
                              [&end](Status why) { end.set(std::move(why)); });
    status = end.wait(stop);
  }
  (void)driver->leave({joined.member, status}, {.timeout = std::chrono::milliseconds(500)});
  return status;
}

Status run_worker_role(const RoleOptions& options, const std::atomic<bool>& stop) {
  transport::GrpcTransport transport;
  return worker::run_worker(
      transport, {options.driver, options.index, core::from_seconds(options.join_timeout_s)}, stop);
}

std::vector<std::string> child_arguments(const std::string& program, const std::string& role,
                                         const RoleOptions& options,
                                         const std::string& log_level) {
  return {program,       kChildFlag,     role, std::to_string(getpid()), options.driver,
          options.listen, std::to_string(options.index), log_level};
}

void run_if_child(int argc, char** argv) {
  if (argc != 8 || std::string(argv[1]) != kChildFlag) return;
  const std::string role = argv[2];
  const std::atomic<bool>& stop = stop_on_signals(1);
  die_with_parent(static_cast<pid_t>(std::atoi(argv[3])));
  RoleOptions options;
  options.driver = argv[4];
  options.listen = argv[5];
  options.index = std::atoi(argv[6]);
  log::set_level(argv[7]);
  log::set_role(role + " " + argv[6]);
  const Status status =
      role == "server" ? run_server_role(options, stop) : run_worker_role(options, stop);
  if (stop.load()) std::exit(signal_exit_status());
  // What the driver ended for everybody it also reports; a member's own failure is told here.
  if (status.ok() || status.code() == StatusCode::kCancelled) std::exit(0);
  SLUICE_LOG(error, "{}", status.message());
  std::exit(1);
}

}  // namespace sluice::train
