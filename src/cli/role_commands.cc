// `sluice server` and `sluice worker`.
#include <fmt/core.h>

#include <memory>
#include <stdexcept>

#include "cli/commands.h"
#include "cli/flags.h"
#include "core/atomic_file.h"
#include "core/log.h"
#include "core/process_info.h"
#include "launch/roles.h"
#include "launch/signals.h"
#include "train/job_config.h"
#include "transport/grpc/grpc_transport.h"
#include "transport/grpc/socket_address.h"

namespace sluice::cli {
namespace {

struct RoleFlags {
  launch::RoleOptions role;
  std::string log_level = "info";
};

void add_shared_flags(CLI::App& app, RoleFlags& flags) {
  app.footer(fmt::format("Example:\n  sluice {} --driver hosta:7070\n\nExit status: {}.",
                         app.get_name(), kMemberExitStatus));
  app.add_option("--driver", flags.role.driver, "the driver's: HOST:PORT or unix:/path")
      ->required()
      ->type_name("ADDRESS");
  add_value(app, "--index", flags.role.index, "to ask for; -1: any free one")->type_name("NUMBER");
  add_value(app, "--join-timeout", flags.role.join_timeout_s, "to wait for the driver")
      ->type_name("SECONDS");
  app.add_option("--log-level", flags.log_level, "of what it logs on standard error")
      ->capture_default_str()
      ->type_name(kLogLevels);
}

void require_address(const char* flag, const std::string& address) {
  const auto parsed = transport::parse_address(address);
  if (!parsed.ok()) throw std::invalid_argument(flag + (": " + parsed.status().message()));
  if (!parsed->is_unix() && parsed->port == 0) {
    throw std::invalid_argument(fmt::format("{}: {} has no port to connect to", flag, address));
  }
}

void validate(const launch::RoleOptions& role) {
  const std::string wrong_time = train::check_seconds(role.join_timeout_s);
  if (!wrong_time.empty()) throw std::invalid_argument("--join-timeout: " + wrong_time);
  if (role.index < -1) throw std::invalid_argument("--index: expected -1 or more");
  if (role.threads < 1 || role.threads > 256) {
    throw std::invalid_argument(fmt::format("--threads: expected 1 to 256, got {}", role.threads));
  }
  if (!role.device.empty()) {
    const std::string wrong = train::check_device(role.device);
    if (!wrong.empty()) throw std::invalid_argument("--device: " + wrong);
  }
  require_address("--driver", role.driver);
  if (!role.advertise.empty()) require_address("--advertise", role.advertise);
  const Status free = transport::check_listen(role.listen);
  if (free.code() == StatusCode::kInvalidArgument) {
    throw std::invalid_argument("--listen: " + free.message());
  }
  if (role.port_file.empty()) return;
  if (role.listen.starts_with("unix:")) {
    throw std::invalid_argument("--port-file: needs a --listen address with a port");
  }
  const Status writable = core::can_replace_file(role.port_file);
  if (!writable.ok()) throw std::invalid_argument("--port-file: " + writable.message());
}

int run_role(const char* name, const RoleFlags& flags,
             client::MemberEnd (*role)(const launch::RoleOptions&, std::stop_token)) {
  log::set_level(flags.log_level);
  log::set_role(name);
  log::set_host(core::host_name());
  validate(flags.role);
  const Status limits = core::check_limits();
  if (!limits.ok()) return fail(1, std::string(name) + ": " + limits.message());
  const launch::StopSignals signals(launch::stop_signals_of(name));
  const std::stop_token stop = signals.token();
  const client::MemberEnd end = role(flags.role, stop);
  if (stop.stop_requested() && end.how != client::Ending::kDrained) {
    return fail(launch::StopSignals::exit_status(),
                fmt::format("{}: stopped by {}", name, launch::StopSignals::name()));
  }
  const int status = launch::exit_status(end.how);
  return status == 0 ? 0 : fail(status, std::string(name) + ": " + end.why.message());
}

}  // namespace

Command add_server_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("server", "Keeps parameters for a driver's job");
  auto flags = std::make_shared<RoleFlags>();
  add_shared_flags(*command, *flags);
  command->add_option("--listen", flags->role.listen, "HOST:PORT; port 0: any free one")
      ->capture_default_str()
      ->type_name("ADDRESS");
  command
      ->add_option("--advertise", flags->role.advertise,
                   "HOST:PORT that driver and workers reach it at; empty: its host's name, and "
                   "where that does not work the address that its calls come from")
      ->type_name("ADDRESS");
  command
      ->add_option("--port-file", flags->role.port_file, "to write the port to that it listens at")
      ->type_name("FILE");
  add_value(*command, "--threads", flags->role.threads, "1 to 256, that serve workers")
      ->type_name("NUMBER");
  return {command, [flags] { return run_role("server", *flags, launch::run_server_role); }};
}

Command add_worker_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("worker", "Trains for a driver's job");
  auto flags = std::make_shared<RoleFlags>();
  add_shared_flags(*command, *flags);
  add_value(*command, "--device", flags->role.device, "empty: as the job says")
      ->type_name("auto|cpu|cuda|cuda:N");
  return {command, [flags] { return run_role("worker", *flags, launch::run_worker_role); }};
}

}  // namespace sluice::cli
