#include "cli/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/commands.h"
#include "cli/flag_text.h"
#include "core/version.h"

namespace sluice::cli {
namespace {

// Text as man takes it: no hyphen becomes a minus sign or the other way round, and no line begins
// with what man would obey.
std::string roff(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
      result += std::string("\\&") + c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string bold(const std::string& text) { return fmt::format("\\fB{}\\fR", roff(text)); }

// A term, in man's macros, and what there is to say of it.
std::string item(const std::string& term, const std::string& what) {
  return fmt::format(".TP\n{}\n{}\n", term, roff(what));
}

std::string manual_of(const CLI::Option& flag) {
  std::vector<std::string> names;
  for (const std::string& name : names_of(flag)) names.push_back(bold(name));
  std::string term = fmt::format("{}", fmt::join(names, ", "));
  if (takes_value(flag)) {
    term += fmt::format("{}\\fI{}\\fR", names.empty() ? "" : " ", roff(flag.get_type_name()));
  }
  if (!flag.get_default_str().empty()) {
    term += fmt::format(" ({})", roff(flag.get_default_str()));
  }
  return item(term, flag.get_description());
}

bool is_for_help(const CLI::Option& flag) { return names_of(flag).back() == "--help"; }

bool are_the_same(const CLI::Option& a, const CLI::Option& b) {
  return names_of(a) == names_of(b) && a.get_type_name() == b.get_type_name() &&
         a.get_default_str() == b.get_default_str() && a.get_description() == b.get_description();
}

bool has(const std::vector<const CLI::Option*>& flags, const CLI::Option& flag) {
  return std::any_of(flags.begin(), flags.end(),
                     [&](const CLI::Option* other) { return are_the_same(*other, flag); });
}

// The flags of `train` are told once: the driver takes all of them.
std::string manual_of(const CLI::App& command, const CLI::App& train) {
  std::string text = fmt::format(".SS sluice {}\n{}.\n", roff(command.get_name()),
                                 roff(command.get_description()));
  for (const CLI::Option* positional : positionals_of(command)) text += manual_of(*positional);
  const auto flags = flags_of(command), told = flags_of(train);
  const bool as_train =
      &command != &train && std::all_of(told.begin(), told.end(),
                                        [&](const CLI::Option* flag) { return has(flags, *flag); });
  if (as_train) text += "Takes the flags of \\fBsluice train\\fR, with the same defaults.\n";
  std::string group = flags.front()->get_group();
  for (const CLI::Option* flag : flags) {
    if (is_for_help(*flag) || (as_train && has(told, *flag))) continue;
    if (flag->get_group() != group) text += ".PP\n" + bold(flag->get_group()) + "\n";
    group = flag->get_group();
    text += manual_of(*flag);
  }
  return text;
}

constexpr const char* kHead =
    R"(.SH NAME
sluice \- asynchronous parameter\-server training of Keras\-style models
.SH SYNOPSIS
.B sluice
\fICOMMAND\fR [\fIFLAG\fR ...]
.SH DESCRIPTION
A driver cuts a dataset into partitions; workers train replicas of a model on them and push what
they learned to parameter servers, without waiting for one another.
\fBsluice train\fR runs all of them on this machine; the other commands are the roles one by one.
Of a flag that is given twice the last counts. What stands in parentheses is the default.
.SH OPTIONS
Of \fBsluice\fR, and \fB\-\-help\fR of every command.
)";

std::string exit_status() {
  return fmt::format(
      ".SH EXIT STATUS\n"
      "{}{}{}{}",
      item("Of \\fBtrain\\fR and \\fBdriver\\fR", kJobExitStatus),
      item("Of \\fBserver\\fR and \\fBworker\\fR", kMemberExitStatus),
      item("Of \\fBstatus\\fR and \\fBctl\\fR", kAskExitStatus),
      item("Of all others", kExitStatus));
}

constexpr const char* kSignals =
    R"(.SH SIGNALS
.TP
\fBSIGINT\fR, \fBSIGTERM\fR, \fBSIGHUP\fR, \fBSIGUSR1\fR, \fBSIGUSR2\fR
The first one ends the job early: of \fBtrain\fR and \fBdriver\fR everywhere within 2 s. With
\fB\-\-save\fR the model as it was by then is saved first. A worker alone makes room at
\fBSIGTERM\fR: it finishes and pushes its window, hands back the rest of its work and ends with 0,
while the job goes on; a server that the driver still needs, to save the
model, is not let go before that. A second one ends the process at once. Those that are ignored when
the program starts, as SIGHUP is under \fBnohup\fR(1), stay ignored.
.TP
\fBSIGPIPE\fR
Ignored by \fBtrain\fR and \fBdriver\fR: a reader of an output that goes away is an error as a full
disk is, and what was trained is saved.
)";

struct Variable {
  const char* names;
  const char* what;
};
constexpr Variable kVariables[] = {
    {"SLUICE_DATA_DIR", "where datasets are looked for before the cache and the network"},
    {"SLUICE_OFFLINE", "when set, and not to 0, nothing is downloaded"},
    {"SLUICE_CUDA_PLUGIN", "the file of the CUDA plug-in, libsluice_cuda.so, if not beside sluice"},
    {"XDG_CACHE_HOME, HOME", "where downloads are kept: in sluice, or in .cache/sluice"},
    {"TMPDIR, XDG_RUNTIME_DIR",
     "where temporary files (/tmp otherwise) and, where /tmp cannot be written, the sockets of a "
     "job's processes go"},
    {"SLURM_CPUS_PER_TASK, OMP_NUM_THREADS",
     "how many cores a process may use, the first of them that is set; otherwise what control "
     "groups and the affinity mask leave"},
    {"OMP_WAIT_POLICY", "how threads wait: passive, unless it is set"},
    {"CUDA_VISIBLE_DEVICES", "the GPUs that a process sees"},
    {"POD_NAME", "what a process says it runs in, instead of its container's number"},
    {"http_proxy, https_proxy, all_proxy, no_proxy", "for downloads, as curl(1)"},
};

std::string environment() {
  std::string text = ".SH ENVIRONMENT\n";
  for (const Variable& variable : kVariables) text += item(bold(variable.names), variable.what);
  return text;
}

constexpr const char* kTail =
    R"(.SH FILES
.TP
\fI~/.cache/sluice\fR
datasets that were downloaded
.TP
\fI$XDG_RUNTIME_DIR/sluice\fR, or \fI/tmp/sluice\-UID\fR
where the drivers of this user's jobs on this machine are found by \fBstatus\fR and \fBctl\fR
.SH EXAMPLES
.nf
sluice train \-\-workers 3 \-\-epochs 5 \-\-save mnist.keras
sluice status \-\-watch
sluice ctl set learning\-rate 0.0005
sluice predict mnist.keras digit.png
sluice driver \-\-listen 0.0.0.0:7070 \-\-workers 2
sluice server \-\-driver HOST:7070 \-\-listen 0.0.0.0:7071
sluice worker \-\-driver HOST:7070
.fi
)";

}  // namespace

std::string manual_page(const CLI::App& app) {
  std::string text =
      fmt::format(".TH SLUICE 1 \"\" \"sluice {}\" \"User Commands\"\n", core::version());
  text += kHead;
  for (const CLI::Option* flag : flags_of(app)) text += manual_of(*flag);
  text += ".SH COMMANDS AND FLAGS\n";
  const auto commands = commands_of(app);
  for (const CLI::App* command : commands) text += manual_of(*command, *commands.front());
  return text + exit_status() + kSignals + environment() + kTail;
}

Command add_manual_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("manual", "Prints the manual page: sluice manual | man -l -");
  command->footer(fmt::format("Exit status: {}.", kExitStatus));
  return {command, [&app] {
            std::fputs(manual_page(app).c_str(), stdout);
            return 0;
          }};
}

}  // namespace sluice::cli
