// The server and worker roles as whole processes: what `sluice server` and `sluice worker` run, and
// what a process becomes that train() has started.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "client/member.h"
#include "launch/signals.h"
#include "sluice/status.h"

namespace sluice::launch {

struct RoleOptions {
  std::string driver;                // address
  std::string listen = "0.0.0.0:0";  // servers
  std::string advertise;  // servers: what others call it; empty: from `listen` and the host's name
  int index = -1;         // preferred
  std::string device;     // workers: instead of the job's, unless empty
  int threads = 1;        // servers: of the data plane
  std::string port_file;  // servers: to write the port to that it listens at, unless empty
  double join_timeout_s = 60;
};

// Each runs until the job is over.
client::MemberEnd run_server_role(const RoleOptions& options, std::stop_token stop);
client::MemberEnd run_worker_role(const RoleOptions& options, std::stop_token stop);

// How long a process in this role ("server", "worker") may take to end after a signal. A server
// waits until the driver has read what it needs from it (server/serve.h), and a worker that gets
// SIGTERM ends its window (LeaseMachine::kHandBackTime): the job goes on without it.
StopSignalsOptions stop_signals_of(const std::string& role);

// 0 done, 1 failed; of their own, for whoever starts members again: 3 the driver aborted the job, 4
// no driver, 5 refused.
int exit_status(client::Ending how);

// The command line that starts this program as a child in a role, and its way back.
std::vector<std::string> child_arguments(const std::string& program, const std::string& role,
                                         const RoleOptions& options, const std::string& log_level);
// Runs the role and ends the process when argv is a child's command line; else returns.
void run_if_child(int argc, char** argv);

}  // namespace sluice::launch
