// `sluice ctl`: changes a job while it runs.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "cli/commands.h"
#include "cli/job_address.h"
#include "driver/knobs.h"
#include "launch/job_calls.h"

namespace sluice::cli {
namespace {

struct Verb {
  const char* name;
  const char* arguments;
  size_t count;  // of them
  const char* help;
};
constexpr Verb kVerbs[] = {
    {"stop", "", 0, "ends the job; with --save or --report what was learned is saved"},
    {"pause", "", 0, "each worker pushes the window that it is at, and waits then"},
    {"resume", "", 0, "goes on"},
    {"scale", "workers=N|servers=N", 1,
     "starts workers, or lets the last ones leave, of a local job; or spreads the parameters over "
     "so many servers, which of a local job are started"},
    {"set", "KNOB VALUE", 2, "changes one of these while the job runs"},
};

struct CtlFlags {
  std::string first;               // the address, or the verb
  std::vector<std::string> words;  // the rest
};

const Verb* find_verb(const std::string& word) {
  const auto found = std::ranges::find_if(kVerbs, [&](const Verb& v) { return v.name == word; });
  return found == std::end(kVerbs) ? nullptr : &*found;
}

int run(const CtlFlags& flags) {
  std::vector<std::string> words = flags.words;
  std::string address = flags.first;
  if (find_verb(address) != nullptr || address.find(':') == std::string::npos) {
    if (!address.empty()) words.insert(words.begin(), address);
    address.clear();
  }
  const Verb* verb = words.empty() ? nullptr : find_verb(words.front());
  if (verb == nullptr) {
    throw std::invalid_argument(
        fmt::format("ctl: expected stop, pause, resume, scale or set{}; see sluice ctl --help",
                    words.empty() ? "" : fmt::format(", got \"{}\"", words.front())));
  }
  words.erase(words.begin());
  if (words.size() != verb->count) {
    throw std::invalid_argument(
        fmt::format("ctl: expected sluice ctl {}{}{}; see sluice ctl --help", verb->name,
                    verb->count > 0 ? " " : "", verb->arguments));
  }
  const Result<std::string> job =
      find_job(address, fmt::format("sluice ctl ADDRESS {} {}", verb->name, verb->arguments));
  if (!job.ok()) return fail(exit_status_of(job.status()), job.status().message());
  const Result<std::string> said = launch::send_command(*job, verb->name, words);
  if (!said.ok()) {
    const bool wrong = said.status().code() == StatusCode::kInvalidArgument;
    return fail(wrong ? 2 : 1, said.status().message());
  }
  std::puts(said->c_str());
  return 0;
}

// For help and the manual page alike.
std::string describe_verbs() {
  std::string text;
  for (const Verb& verb : kVerbs) {
    text += fmt::format("{}{}{}{}: {}", text.empty() ? "" : "; ", verb.name,
                        verb.count > 0 ? " " : "", verb.arguments, verb.help);
  }
  for (const driver::Knob& knob : driver::knobs()) {
    text += fmt::format("{} {} {}, {}", &knob == driver::knobs().data() ? ":" : ";", knob.name,
                        knob.value, knob.help);
  }
  return text;
}

}  // namespace

Command add_ctl_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("ctl", "Stops, pauses, resumes or changes a job while it runs");
  const auto flags = std::make_shared<CtlFlags>();
  command
      ->add_option("address", flags->first,
                   "the driver's: HOST:PORT or unix:/path; none: of your job on this machine")
      ->type_name("[ADDRESS]");
  command->add_option("verb", flags->words, describe_verbs())
      ->type_name("stop|pause|resume|scale|set")
      ->expected(0, 8)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->footer(
      "Examples:\n"
      "  sluice ctl set learning-rate 0.0005\n"
      "  sluice ctl scale workers=5\n"
      "  sluice ctl scale servers=3\n"
      "  sluice ctl hosta:7070 pause           of a job elsewhere\n"
      "\n"
      "Exit status: " +
      std::string(kAskExitStatus) + ".");
  return {command, [flags] { return run(*flags); }};
}

}  // namespace sluice::cli
