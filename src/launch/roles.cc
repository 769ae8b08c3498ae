#include "launch/roles.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "core/cores.h"
#include "core/gpus.h"
#include "core/log.h"
#include "core/process_info.h"
#include "core/real_world.h"
#include "launch/port_file.h"
#include "launch/signals.h"
#include "server/serve.h"
#include "transport/grpc/grpc_transport.h"
#include "worker/worker.h"

namespace sluice::launch {
namespace {

constexpr const char* kChildFlag = "--sluice-child";

// How long the step that is under way when a membership ends may take: a step that never returns
// must not keep the process.
constexpr core::Duration kLastStep = std::chrono::seconds(10);

void end_soon(const client::MemberEnd& end) {
  std::thread([status = exit_status(end.how)] {
    std::this_thread::sleep_for(kLastStep);
    SLUICE_LOG(error, "a training step has not ended for {} s: this process ends without it",
               static_cast<int>(core::to_seconds(kLastStep)));
    _exit(status);
  }).detach();
}

client::StopRequest request_of(std::stop_token stop) {
  return {std::move(stop), [] { return "stopped by " + StopSignals::name(); },
          [] { return StopSignals::signal() == SIGTERM; }};
}

}  // namespace

client::MemberEnd run_server_role(const RoleOptions& options, std::stop_token stop) {
  transport::GrpcTransport transport;
  server::ServeOptions serve;
  serve.driver = options.driver;
  serve.listen = options.listen;
  serve.advertise = options.advertise;
  serve.preferred_index = options.index;
  serve.threads = options.threads;
  serve.apply_threads = core::available_cores();
  serve.join_timeout = core::from_seconds(options.join_timeout_s);
  serve.on_listening = [&options](const std::string& address) {
    return write_port_file(options.port_file, address);
  };
  return server::serve(core::real_world(), transport, serve, request_of(std::move(stop)));
}

client::MemberEnd run_worker_role(const RoleOptions& options, std::stop_token stop) {
  transport::GrpcTransport transport;
  return worker::run_worker(
      core::real_world(), transport,
      {options.driver, options.index, options.device, core::from_seconds(options.join_timeout_s),
       core::usable_cores(),
       options.device == "cpu" ? std::vector<std::string>() : core::visible_gpus()},
      request_of(std::move(stop)), end_soon);
}

StopSignalsOptions stop_signals_of(const std::string& role) {
  constexpr core::Duration kShort = std::chrono::seconds(1), kLong = std::chrono::seconds(10);
  return {.grace = role == "server" ? kLong : kShort, .grace_after_sigterm = kLong};
}

int exit_status(client::Ending how) {
  switch (how) {
    case client::Ending::kDone:
    case client::Ending::kDrained:
      return 0;
    case client::Ending::kAborted:
      return 3;
    case client::Ending::kNoDriver:
      return 4;
    case client::Ending::kRefused:
      return 5;
    case client::Ending::kFailed:
      break;
  }
  return 1;
}

std::vector<std::string> child_arguments(const std::string& program, const std::string& role,
                                         const RoleOptions& options, const std::string& log_level) {
  return {program,  kChildFlag, role, options.driver, options.listen, std::to_string(options.index),
          log_level};
}

void run_if_child(int argc, char** argv) {
  if (argc != 7 || std::string(argv[1]) != kChildFlag) return;
  core::raise_file_limit();
  const std::string role = argv[2];
  log::set_level(argv[6]);
  log::set_role(role + " " + argv[5]);
  if (const Status limits = core::check_limits(); !limits.ok()) {
    SLUICE_LOG(error, "{}", limits.message());
    std::exit(exit_status(client::Ending::kFailed));
  }
  StopSignalsOptions its_signals = stop_signals_of(role);
  its_signals.last_words = "";
  const StopSignals signals(its_signals);
  const std::stop_token stop = signals.token();
  RoleOptions options;
  options.driver = argv[3];
  options.listen = argv[4];
  options.index = std::atoi(argv[5]);
  const client::MemberEnd end =
      role == "server" ? run_server_role(options, stop) : run_worker_role(options, stop);
  if (stop.stop_requested() && end.how != client::Ending::kDrained) {
    std::exit(StopSignals::exit_status());
  }
  // What the driver ended for everybody it also reports; a member's own failure is told here.
  if (exit_status(end.how) == 0 || end.how == client::Ending::kAborted) std::exit(0);
  SLUICE_LOG(error, "{}", end.why.message());
  std::exit(exit_status(end.how));
}

}  // namespace sluice::launch
