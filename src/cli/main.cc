// The `sluice` command.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/flag_text.h"
#include "cli/help.h"
#include "core/process_info.h"
#include "core/standard_error.h"
#include "core/suggestion.h"
#include "core/version.h"
#include "sluice/trainer.h"
#include "train/job_config.h"

namespace sluice::cli {

std::string flag_name(std::string field) {
  for (char& c : field) c = c == '_' ? '-' : c;
  return "--" + field;
}

int fail(int status, const std::string& message) {
  core::write_to_standard_error("sluice: " + message + "\n");
  return status;
}

namespace {

std::string did_you_mean(const std::string& wrong, const std::vector<std::string>& names) {
  const std::string meant = core::nearest(wrong, names);
  return meant.empty() ? ";" : "; did you mean " + meant + "?";
}

// What is wrong with the value of a flag, in words instead of CLI11's.
std::string describe_value(const CLI::Error& error, const CLI::App& command) {
  const std::string text = error.what();
  if (const size_t at = text.find(": 1 required "); at != std::string::npos) {
    return text.substr(0, at) + " needs a value";
  }
  const std::string name = "--" + text.substr(0, text.find(' '));
  const CLI::Option* flag = command.get_option_no_throw(name);
  if (text.find("flag override") == std::string::npos || flag == nullptr) return text;
  const std::vector<std::string> names = names_of(*flag);
  return fmt::format("{} takes no value: write {}", name, fmt::join(names, " or "));
}

// What is wrong, for " see ... --help" to follow.
std::string describe(const CLI::Error& error, const CLI::App& command) {
  const std::vector<std::string> unknown = command.remaining();
  if (unknown.empty()) return describe_value(error, command) + ";";
  for (const std::string& argument : unknown) {
    if (!argument.starts_with("-")) continue;
    const std::string flag = argument.substr(0, argument.find('='));
    std::vector<std::string> names;
    for (const CLI::Option* known : flags_of(command)) {
      for (const std::string& name : names_of(*known)) names.push_back(name);
    }
    return "unknown flag " + flag + did_you_mean(flag, names);
  }
  return "unexpected argument \"" + unknown.front() + "\";";
}

// Threads that spin while they wait keep others off the cores, and OpenMP reads how to wait when it
// is loaded: starts this program again, as the same process, with the answer. Where that is not
// possible, they spin.
void wait_passively(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  ::execv("/proc/self/exe", argv);
}

// The number of a standard file that is closed would be given to another one, such as an eventfd of
// gRPC's, which would then be read as standard input. This one can be neither read nor written.
// Runs before the libraries' initialization, which opens files already: not through the C library's
// functions, which sanitizers replace and have not set up by then.
__attribute__((no_sanitize("address", "thread", "undefined"))) void keep_standard_numbers() {
  for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; ++standard) {
    if (::syscall(SYS_fcntl, standard, F_GETFD) >= 0) continue;
    (void)::syscall(SYS_openat, AT_FDCWD, "/dev/null", O_PATH | O_CLOEXEC, 0);
  }
}
[[gnu::section(".preinit_array"), gnu::used]] void (*const before_all)() = keep_standard_numbers;

// `help`, `help COMMAND` and `version` as the flags that they stand for; and the first word.
std::pair<std::string, std::vector<std::string>> as_flags(std::vector<std::string> words) {
  if (words.front() == "version") words.front() = "--version";
  if (words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  return {words.front(), words};
}

int run(int argc, char** argv) {
  CLI::App app("Trains Keras-style models with asynchronous parameter servers.", "sluice");
  app.set_help_flag("-h,--help", "print this help and end");
  app.set_version_flag("-V,--version", std::string("sluice ") + core::version(),
                       "print the version and end");
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.option_defaults()->take_last();  // a script's own flags can be overridden
  app.option_defaults()->disable_flag_override();
  const Command commands[] = {add_train_command(app, argv[0]), add_driver_command(app, argv[0]),
                              add_server_command(app),         add_worker_command(app),
                              add_status_command(app),         add_ctl_command(app),
                              add_predict_command(app),        add_evaluate_command(app),
                              add_summary_command(app),        add_convert_command(app),
                              add_devices_command(app),        add_completion_command(app),
                              add_manual_command(app)};
  // as_flags() knows these two.
  app.add_subcommand("help", "Prints what there is to say of a command: sluice help COMMAND");
  app.add_subcommand("version", "Prints the version");
  app.footer(
      "Examples:\n"
      "  sluice train                          MNIST, on this machine\n"
      "  sluice help train                     all that can be asked of a job\n"
      "  source <(sluice completion bash)      complete commands and flags\n"
      "\n"
      "Exit status: " +
      std::string(kExitStatus) + "; of the roles of a job there are more, in their help.");
  if (argc < 2) {
    core::write_to_standard_error(app.help());
    return 2;
  }
  const auto [first, arguments] = as_flags({argv + 1, argv + argc});
  if (first == "train" || first == "driver" || first == "worker") wait_passively(argv);
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  const bool known = std::find(names.begin(), names.end(), first) != names.end();
  if (!first.starts_with("-") && !known) {
    return fail(2, fmt::format("unknown command \"{}\"{} see sluice --help", first,
                               did_you_mean(first, names)));
  }
  try {
    app.parse(
        std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // as CLI11 wants them
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const CLI::App& failed = known ? *app.get_subcommand(first) : app;
    return fail(2, fmt::format("{} see sluice{} --help", describe(error, failed),
                               known ? " " + first : ""));
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return 2;
}

// A file that may not grow (ulimit -f) is an error like a full disk, not the end of the process.
void heed_limit_on_file_sizes() {
  struct sigaction action {};
  sigaction(SIGXFSZ, nullptr, &action);
  if (action.sa_handler == SIG_DFL) std::signal(SIGXFSZ, SIG_IGN);
}

// What could not be written is no success.
int flush_output(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  const int failed = fail(1, "cannot write to standard output");
  return status == 0 ? failed : status;
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) {
  using namespace sluice;
  cli::heed_limit_on_file_sizes();
  init(argc, argv);
  core::raise_file_limit();
  try {
    return cli::flush_output(cli::run(argc, argv));
  } catch (const train::InvalidField& error) {
    return cli::fail(2, cli::flag_name(error.field) + ": " + error.what_is_wrong);
  } catch (const std::invalid_argument& error) {
    return cli::fail(2, error.what());
  } catch (const std::bad_alloc&) {
    return cli::fail(
        1, "out of memory; what this process may have is limited (ulimit -v), or used up");
  } catch (const std::exception& error) {
    return cli::fail(1, error.what());
  }
}
