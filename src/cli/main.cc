// The `sluice` command.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "core/process_info.h"
#include "core/standard_error.h"
#include "core/version.h"
#include "sluice/trainer.h"
#include "train/job_config.h"
#include "train/suggestion.h"

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

// Names a flag's opposite as it is written: "--no-shuffle", not "--no-shuffle{false}".
class Formatter final : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    const std::string value = "{false}";
    if (const size_t at = name.find(value); at != std::string::npos) name.erase(at, value.size());
    return name;
  }
};

std::string did_you_mean(const std::string& wrong, const std::vector<std::string>& names) {
  const std::string meant = train::nearest(wrong, names);
  return meant.empty() ? ";" : "; did you mean " + meant + "?";
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// What is wrong, for " see ... --help" to follow.
std::string describe(const CLI::Error& error, const CLI::App& command) {
  const std::vector<std::string> unknown = command.remaining();
  if (unknown.empty()) return std::string(error.what()) + ";";
  for (const std::string& argument : unknown) {
    if (!argument.starts_with("-")) continue;
    const std::string flag = argument.substr(0, argument.find('='));
    return "unknown flag " + flag + did_you_mean(flag, flags_of(command));
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
  app.set_version_flag("-V,--version", std::string("sluice ") + core::version());
  app.require_subcommand(1);
  app.formatter(std::make_shared<Formatter>());
  app.option_defaults()->take_last();  // a script's own flags can be overridden
  const Command commands[] = {add_train_command(app, argv[0]), add_driver_command(app, argv[0]),
                              add_server_command(app),         add_worker_command(app),
                              add_devices_command(app),        add_completion_command(app),
                              add_manual_command(app)};
  app.footer(
      "Examples:\n"
      "  sluice train                          MNIST, on this machine\n"
      "  sluice help train                     all that can be asked of a job\n"
      "  source <(sluice completion bash)      complete commands and flags");
  commands[0].app->footer(
      "Examples:\n"
      "  sluice train --workers 3 --epochs 5 --save mnist.sluice\n"
      "  sluice train --model mnist.sluice --epochs 1      goes on from what was saved\n"
      "  sluice train --dataset csv:houses.csv --target price --loss mse --model model.json\n"
      "  sluice train --trainer downpour --optimizer sgd --learning-rate 0.05 --report -");
  commands[1].app->footer(
      "Example:\n"
      "  hosta$ sluice driver --listen 0.0.0.0:7070 --workers 2 --save model.sluice\n"
      "  hosta$ sluice server --driver hosta:7070 --listen 0.0.0.0:7071\n"
      "  hostb$ sluice worker --driver hosta:7070");
  if (argc < 2) {
    core::write_to_standard_error(app.help());
    return 2;
  }
  const auto [first, arguments] = as_flags({argv + 1, argv + argc});
  if (first == "train" || first == "driver" || first == "worker") wait_passively(argv);
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.app->get_name());
  const bool known = std::find(names.begin(), names.end(), first) != names.end();
  if (!first.starts_with("-") && !known) {
    return fail(
        2, "unknown command \"" + first + "\"" + did_you_mean(first, names) + " see sluice --help");
  }
  try {
    app.parse(
        std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // as CLI11 wants them
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const CLI::App& failed = known ? *app.get_subcommand(first) : app;
    return fail(2,
                describe(error, failed) + " see sluice" + (known ? " " + first : "") + " --help");
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return 2;
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
