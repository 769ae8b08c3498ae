// `sluice status`: how a job is getting on.
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/commands.h"
#include "cli/job_address.h"
#include "core/json_text.h"
#include "launch/job_calls.h"
#include "show/status_view.h"

namespace sluice::cli {
namespace {

constexpr std::chrono::seconds kEvery(1);

struct StatusFlags {
  std::string address;
  bool watch = false;
  bool json = false;
};

struct Screen {
  size_t columns = 80, rows = 24;
};
Screen screen_size() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  if (!known || size.ws_col == 0 || size.ws_row < 2) return {};
  return {size.ws_col, size.ws_row};
}

// From the terminal's first line on, each to its end, and nothing below.
std::string redrawn(const std::string& text) {
  std::string result = "\033[H";
  for (const char c : text) {
    if (c == '\n') result += "\033[K";
    result += c;
  }
  return result + "\033[J";
}

Result<std::string> shown(const std::string& json, const StatusFlags& flags, bool terminal) {
  if (flags.json)
    return flags.watch ? json + "\n" : core::json_text(core::parse_json(json), 2) + "\n";
  SLUICE_ASSIGN_OR_RETURN(const driver::JobStatus status, driver::parse_job_status(json));
  const std::string text = show::to_text(status);
  if (!flags.watch) return text;
  if (!terminal) return text + "\n";
  const Screen screen = screen_size();
  return redrawn(show::fit(text, std::max<size_t>(screen.columns, 20), screen.rows - 1));
}

// What a reader that has gone would never see is not asked for.
bool print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
}

int run(const StatusFlags& flags) {
  const Result<std::string> address = find_job(flags.address, "sluice status ADDRESS");
  if (!address.ok()) return fail(exit_status_of(address.status()), address.status().message());
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  auto next = std::chrono::steady_clock::now();
  for (bool first = true;; first = false) {
    const Result<std::string> json = launch::ask_status_json(*address);
    if (!json.ok() && !first) {
      return fail(0, fmt::format("the job has ended: {}", json.status().message()));
    }
    if (!json.ok()) return fail(1, json.status().message());
    const Result<std::string> text = shown(*json, flags, terminal);
    if (!text.ok()) return fail(1, text.status().message());
    if (first && flags.watch && terminal && !flags.json) print("\033[2J");
    if (!print(*text) || !flags.watch) return 0;
    next += kEvery;
    std::this_thread::sleep_until(next);
  }
}

}  // namespace

Command add_status_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "status", "Shows how a job is getting on: members, leases, rates, and who is waited for");
  const auto flags = std::make_shared<StatusFlags>();
  command
      ->add_option("address", flags->address,
                   "the driver's: HOST:PORT or unix:/path; none: of your job on this machine")
      ->type_name("[ADDRESS]");
  command->add_flag("--watch", flags->watch, "again each second, until the job has ended");
  command->add_flag("--json", flags->json,
                    "as docs/status.md tells it; with --watch an object a line");
  command->footer(
      "Examples:\n"
      "  sluice status --watch                 of your job on this machine\n"
      "  sluice status hosta:7070              of a job elsewhere\n"
      "  sluice status --json | jq .waits\n"
      "\n"
      "Exit status: " +
      std::string(kAskExitStatus) + ".");
  return {command, [flags] { return run(*flags); }};
}

}  // namespace sluice::cli
