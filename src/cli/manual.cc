#include "cli/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "cli/commands.h"
#include "core/version.h"

namespace sluice::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Those that are shown, in the order in which they were added.
std::vector<const CLI::Option*> flags_of(const CLI::App& command) {
  auto flags = command.get_options([](const CLI::Option* flag) {
    return !flag->get_group().empty() && !flag->get_lnames().empty();
  });
  return flags;
}

// "--shuffle", and its opposite where it has one.
std::vector<std::string> names_of(const CLI::Option& flag) {
  std::vector<std::string> names;
  for (const std::string& name : flag.get_lnames()) names.push_back("--" + name);
  return names;
}

bool takes_value(const CLI::Option& flag) { return flag.get_expected_max() > 0; }

// What there is to choose from where a value is written "a|b|c".
std::vector<std::string> choices_of(const CLI::Option& flag) {
  std::vector<std::string> choices;
  std::istringstream written(flag.get_type_name());
  for (std::string choice; std::getline(written, choice, '|');) choices.push_back(choice);
  return choices.size() > 1 ? choices : std::vector<std::string>();
}

bool is_file(const CLI::Option& flag) { return flag.get_type_name() == "FILE"; }
bool is_folder(const CLI::Option& flag) { return flag.get_type_name() == "FOLDER"; }

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  return fmt::format("{}", fmt::join(words, between));
}

// --- The manual page ---

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

std::string manual_of(const CLI::Option& flag) {
  std::string text = ".TP\n";
  for (const std::string& name : names_of(flag)) {
    text += (text.size() > 4 ? ", \\fB" : "\\fB") + roff(name) + "\\fR";
  }
  if (takes_value(flag)) text += " \\fI" + roff(flag.get_type_name()) + "\\fR";
  if (!flag.get_default_str().empty()) text += " (" + roff(flag.get_default_str()) + ")";
  return text + "\n" + roff(flag.get_description()) + "\n";
}

std::string manual_of(const CLI::App& command) {
  std::string text = ".SS sluice " + roff(command.get_name()) + "\n";
  text += roff(command.get_description()) + ".\n";
  std::string group;
  for (const CLI::Option* flag : flags_of(command)) {
    if (flag->get_group() != group) text += ".PP\n\\fB" + roff(flag->get_group()) + "\\fR\n";
    group = flag->get_group();
    text += manual_of(*flag);
  }
  return text;
}

// --- Completion ---

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> commands;
  std::string flags, values;
  std::vector<std::string> files, folders, seen;
  for (const CLI::App* command : commands_of(app)) {
    commands.push_back(command->get_name());
    std::vector<std::string> names;
    for (const CLI::Option* flag : flags_of(*command)) {
      const auto own = names_of(*flag);
      names.insert(names.end(), own.begin(), own.end());
      if (std::find(seen.begin(), seen.end(), own.front()) != seen.end()) continue;
      seen.push_back(own.front());
      if (const auto choices = choices_of(*flag); !choices.empty()) {
        values += fmt::format("    {}) _sluice_words '{}'; return ;;\n", own.front(),
                              joined(choices, " "));
      }
      if (is_file(*flag)) files.push_back(own.front());
      if (is_folder(*flag)) folders.push_back(own.front());
    }
    if (command->get_name() == "completion") names = {"bash", "zsh", "fish"};
    flags +=
        fmt::format("    {}) _sluice_words '{}' ;;\n", command->get_name(), joined(names, " "));
  }
  if (!files.empty()) {
    values += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                          joined(files, "|"));
  }
  if (!folders.empty()) {
    values += fmt::format("    {}) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n",
                          joined(folders, "|"));
  }
  commands.emplace_back("help");
  flags += fmt::format("    help) _sluice_words '{}' ;;\n", joined(commands, " "));
  return "_sluice_words() { COMPREPLY=($(compgen -W \"$1\" -- \"$cur\")); }\n"
         "_sluice() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]}\n"
         "  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    _sluice_words '" +
         joined(commands, " ") +
         "'\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[COMP_CWORD-1]} in\n" +
         values +
         "  esac\n"
         "  case ${COMP_WORDS[1]} in\n" +
         flags +
         "  esac\n"
         "}\n"
         "complete -o filenames -F _sluice sluice\n";
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("\\'") : std::string(1, c);
  return result + "'";
}

std::string fish_completion(const CLI::App& app) {
  std::string text = "complete -c sluice -f\n";
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    text += fmt::format("complete -c sluice -n __fish_use_subcommand -a {} -d {}\n", name,
                        quoted(command->get_description()));
    for (const CLI::Option* flag : flags_of(*command)) {
      for (const std::string& own : flag->get_lnames()) {
        text +=
            fmt::format("complete -c sluice -n '__fish_seen_subcommand_from {}' -l {}", name, own);
        if (is_file(*flag)) {
          text += " -r -F";
        } else if (takes_value(*flag)) {
          text += " -x";
        }
        if (is_folder(*flag)) text += " -a '(__fish_complete_directories)'";
        if (const auto choices = choices_of(*flag); !choices.empty()) {
          text += " -a " + quoted(joined(choices, " "));
        }
        text += " -d " + quoted(flag->get_description()) + "\n";
      }
    }
  }
  return text;
}

}  // namespace

std::string manual_page(const CLI::App& app) {
  std::string text =
      fmt::format(".TH SLUICE 1 \"\" \"sluice {}\" \"User Commands\"\n", core::version());
  text +=
      ".SH NAME\n"
      "sluice \\- asynchronous parameter\\-server training of Keras\\-style models\n"
      ".SH SYNOPSIS\n"
      ".B sluice\n\\fICOMMAND\\fR [\\fIFLAG\\fR ...]\n"
      ".SH DESCRIPTION\n"
      "A driver cuts a dataset into partitions; workers train replicas of a model on them and "
      "push\n"
      "what they learned to parameter servers, without waiting for one another.\n"
      "\\fBsluice train\\fR runs all of them on this machine; the other commands are the roles "
      "one\n"
      "by one.\n"
      ".SH COMMANDS AND FLAGS\n"
      "Of a flag that is given twice the last counts. What stands in parentheses is the default.\n";
  for (const CLI::App* command : commands_of(app)) text += manual_of(*command);
  text +=
      ".SH EXIT STATUS\n"
      "0 done; 1 the job or this member failed; 2 a wrong flag, file or job; 128 + n ended by\n"
      "signal n. Of \\fBserver\\fR and \\fBworker\\fR also: 3 the driver ended the job early; 4 "
      "no\n"
      "driver; 5 refused by the driver, or the job makes no sense here.\n"
      ".SH ENVIRONMENT\n"
      ".TP\n\\fBSLUICE_DATA_DIR\\fR\nwhere datasets are looked for before the cache and the "
      "network\n"
      ".TP\n\\fBSLUICE_OFFLINE\\fR\nwhen set, nothing is downloaded\n"
      ".TP\n\\fBTMPDIR\\fR\nwhere temporary files go\n"
      ".SH FILES\n"
      ".TP\n\\fI~/.cache/sluice\\fR\ndatasets that were downloaded\n"
      ".SH EXAMPLES\n"
      ".nf\n"
      "sluice train \\-\\-workers 3 \\-\\-epochs 5 \\-\\-save mnist.sluice\n"
      "sluice driver \\-\\-listen 0.0.0.0:7070 \\-\\-workers 2\n"
      "sluice server \\-\\-driver HOST:7070 \\-\\-listen 0.0.0.0:7071\n"
      "sluice worker \\-\\-driver HOST:7070\n"
      ".fi\n";
  return text;
}

std::string completion(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash_completion(app);
  if (shell == "zsh") {
    return "#compdef sluice\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(app);
  }
  if (shell == "fish") return fish_completion(app);
  throw std::invalid_argument("completion: expected bash, zsh or fish, got \"" + shell + "\"");
}

Command add_completion_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("completion", "Prints a script that completes this command");
  const auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")->required()->type_name("SHELL");
  command->footer(
      "bash: source <(sluice completion bash)\n"
      "zsh:  source <(sluice completion zsh)\n"
      "fish: sluice completion fish | source");
  return {command, [&app, shell] {
            std::fputs(completion(app, *shell).c_str(), stdout);
            return 0;
          }};
}

Command add_manual_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("manual", "Prints the manual page: sluice manual | man -l -");
  return {command, [&app] {
            std::fputs(manual_page(app).c_str(), stdout);
            return 0;
          }};
}

}  // namespace sluice::cli
