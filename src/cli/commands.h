// The subcommands of `sluice`. Each adds itself to the command line; its function runs when it was
// chosen and returns the exit status.
//
// Exit statuses: 0 done; 1 the job or role failed; 2 a wrong flag, file or job; of roles also those
// of train/roles.h; 128 + n ended by signal n.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace sluice::cli {

struct Command {
  CLI::App* app;
  std::function<int()> run;
};

Command add_train_command(CLI::App& app, const char* program);
Command add_driver_command(CLI::App& app, const char* program);
Command add_server_command(CLI::App& app);
Command add_worker_command(CLI::App& app);
Command add_devices_command(CLI::App& app);
Command add_completion_command(CLI::App& app);
Command add_manual_command(CLI::App& app);

// "--batch-size" of "batch_size".
std::string flag_name(std::string field);

// "sluice: MESSAGE" on standard error.
int fail(int status, const std::string& message);

}  // namespace sluice::cli
