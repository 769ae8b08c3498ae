#include "train/roles.h"

#include <unistd.h>

#include <cstdlib>

#include "core/log.h"
#include "server/serve.h"
#include "train/child_processes.h"
#include "train/signals.h"
#include "transport/grpc/grpc_transport.h"
#include "worker/worker.h"

namespace sluice::train {
namespace {

constexpr const char* kChildFlag = "--sluice-child";

}  // namespace

Status run_server_role(const RoleOptions& options, const std::atomic<bool>& stop) {
  transport::GrpcTransport transport;
  server::ServeOptions serve;
  serve.driver = options.driver;
  serve.listen = options.listen;
  serve.advertise = options.advertise;
  serve.preferred_index = options.index;
  serve.threads = options.threads;
  serve.join_timeout = core::from_seconds(options.join_timeout_s);
  return server::serve(transport, serve, stop);
}

Status run_worker_role(const RoleOptions& options, const std::atomic<bool>& stop) {
  transport::GrpcTransport transport;
  return worker::run_worker(
      transport,
      {options.driver, options.index, options.device, core::from_seconds(options.join_timeout_s)},
      stop);
}

std::vector<std::string> child_arguments(const std::string& program, const std::string& role,
                                         const RoleOptions& options, const std::string& log_level) {
  return {program,
          kChildFlag,
          role,
          std::to_string(getpid()),
          options.driver,
          options.listen,
          std::to_string(options.index),
          log_level};
}

void run_if_child(int argc, char** argv) {
  if (argc != 8 || std::string(argv[1]) != kChildFlag) return;
  const std::string role = argv[2];
  // Whoever interrupts a job is told about it by the driver.
  const std::atomic<bool>& stop = stop_on_signals(std::chrono::seconds(1), "");
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
