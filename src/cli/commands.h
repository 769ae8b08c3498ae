// The subcommands of `sluice`. Each adds itself to the command line; its function runs when it was
// chosen and returns the exit status.
//
// Exit statuses are said once, below; help and the manual page tell them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace sluice::cli {

inline constexpr const char* kExitStatus = "0 done; 1 failed; 2 a wrong flag, file or job";
// Of train and driver.
inline constexpr const char* kJobExitStatus =
    "0 done; 1 the job failed, or was stopped by sluice ctl; 2 a wrong flag, file or job; 128 + n "
    "ended by signal n";
// Of server and worker: launch/roles.h.
inline constexpr const char* kMemberExitStatus =
    "0 the job is done, or a worker has made room at SIGTERM; 1 this member failed; 2 a wrong "
    "flag; "
    "3 the driver ended the job early and said why; 4 no driver: it never answered, or answers no "
    "more; 5 refused by the driver, or the job makes no sense here; 128 + n ended by signal n";

// Of status and ctl.
inline constexpr const char* kAskExitStatus =
    "0 done; 1 no job runs or answers there, or it refused; 2 a wrong argument, or several jobs "
    "run";

struct Command {
  CLI::App* app;
  std::function<int()> run;
};

Command add_train_command(CLI::App& app, const char* program);
Command add_driver_command(CLI::App& app, const char* program);
Command add_server_command(CLI::App& app);
Command add_worker_command(CLI::App& app);
Command add_predict_command(CLI::App& app);
Command add_evaluate_command(CLI::App& app);
Command add_summary_command(CLI::App& app);
Command add_convert_command(CLI::App& app);
Command add_devices_command(CLI::App& app);
Command add_status_command(CLI::App& app);
Command add_ctl_command(CLI::App& app);
Command add_completion_command(CLI::App& app);
Command add_manual_command(CLI::App& app);

// "--batch-size" of "batch_size".
std::string flag_name(std::string field);

// "sluice: MESSAGE" on standard error.
int fail(int status, const std::string& message);

}  // namespace sluice::cli
