// The `sluice` command.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <stdexcept>

#include "cli/commands.h"
#include "core/version.h"
#include "sluice/trainer.h"

namespace sluice::cli {

int fail(int status, const std::string& message) {
  std::fprintf(stderr, "sluice: %s\n", message.c_str());
  return status;
}

namespace {

int run(int argc, char** argv) {
  CLI::App app("Trains Keras-style models with asynchronous parameter servers.", "sluice");
  app.set_version_flag("--version", std::string("sluice ") + core::version());
  app.require_subcommand(1);
  app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
    return "sluice: " + std::string(error.what()) + "; see " + failed->get_name() + " --help\n";
  });
  app.footer("Try: sluice train --workers 3 --epochs 5     (MNIST, on this machine)");
  const Command commands[] = {add_train_command(app, argv[0]), add_driver_command(app, argv[0]),
                              add_server_command(app), add_worker_command(app, argv)};
  if (argc < 2) {
    std::fprintf(stderr, "%s", app.help().c_str());
    return 2;
  }
  const std::string first = argv[1];
  const bool known = std::any_of(std::begin(commands), std::end(commands),
                                 [&](const Command& c) { return c.app->get_name() == first; });
  if (first.rfind('-', 0) != 0 && !known) {
    return fail(2, "unknown command \"" + first + "\"; see sluice --help");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return 2;
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) {
  sluice::init(argc, argv);
  try {
    return sluice::cli::run(argc, argv);
  } catch (const std::invalid_argument& error) {
    return sluice::cli::fail(2, error.what());
  } catch (const std::exception& error) {
    return sluice::cli::fail(1, error.what());
  }
}
