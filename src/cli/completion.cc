#include "cli/completion.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "cli/commands.h"
#include "cli/flag_text.h"

namespace sluice::cli {
namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between = " ") {
  return fmt::format("{}", fmt::join(words, between));
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return names;
}

// What stands behind a command: its flags and what it takes without one.
std::vector<std::string> words_behind(const CLI::App& app, const CLI::App& command) {
  if (command.get_name() == "help") return command_names(app);
  std::vector<std::string> words;
  for (const CLI::Option* positional : positionals_of(command)) {
    for (const std::string& word : values_of(*positional).words) words.push_back(word);
  }
  if (!words.empty()) return words;
  for (const CLI::Option* flag : flags_of(command)) {
    for (const std::string& name : names_of(*flag)) words.push_back(name);
  }
  return words;
}

// What a flag's value may be, as the arguments of _sluice_values; empty: nothing to offer.
std::string bash_values(const CLI::Option& flag) {
  const Values values = values_of(flag);
  const char* paths = values.file ? "-f" : values.folder ? "-d" : "";
  if (values.words.empty() && *paths == '\0') return "";
  return fmt::format("'{}' {}", joined(values.words), paths);
}

// bash cuts words at ':' and '=', zsh does not.
constexpr const char* kBash = R"(_sluice_values() {
  local IFS=$'\n' cur=$1
  COMPREPLY=($(IFS=' '; compgen -W "$2" -- "$cur"))
  if [ -n "${3-}" ]; then COMPREPLY+=($(compgen "$3" -- "$cur")); fi
}
_sluice() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    _sluice_values "$cur" '@COMMANDS@'
    return
  fi
  if [ "$cur" = ':' ] || [ "$prev" = ':' ]; then
    if [ "$cur" = ':' ]; then cur=; else prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    case $prev in
    csv|unix) _sluice_values "$cur" '' -f ;;
    esac
    return
  fi
  case $cur in
  csv:*|unix:*)
    _sluice_values "${cur#*:}" '' -f
    COMPREPLY=("${COMPREPLY[@]/#/${cur%%:*}:}")
    return ;;
  esac
  if [ "$cur" = '=' ]; then
    cur=
  elif [ "$prev" = '=' ]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case ${COMP_WORDS[1]} in
@COMMAND_CASES@  esac
}
complete -o filenames -F _sluice sluice
)";

void replace(std::string& text, const std::string& mark, const std::string& with) {
  text.replace(text.find(mark), mark.size(), with);
}

std::string bash_case(const CLI::App& app, const CLI::App& command) {
  std::string text = fmt::format("  {})\n    case $prev in\n", command.get_name());
  std::vector<std::string> unknown;  // flags whose values nobody can guess
  for (const CLI::Option* flag : flags_of(command)) {
    if (!takes_value(*flag)) continue;
    const std::string name = names_of(*flag).back(), values = bash_values(*flag);
    if (values.empty()) {
      unknown.push_back(name);
    } else {
      text += fmt::format("    {}) _sluice_values \"$cur\" {}; return ;;\n", name, values);
    }
  }
  if (!unknown.empty()) text += fmt::format("    {}) return ;;\n", joined(unknown, "|"));
  return text + fmt::format("    esac\n    _sluice_values \"$cur\" '{}' ;;\n",
                            joined(words_behind(app, command)));
}

std::string bash_completion(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : commands_of(app)) cases += bash_case(app, *command);
  std::string text = kBash;
  replace(text, "@COMMANDS@", joined(command_names(app)));
  replace(text, "@COMMAND_CASES@", cases);
  return text;
}

std::string in_quotes(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("\\'") : std::string(1, c);
  return result + "'";
}

// Behind a ':' as well, fish completes files by itself.
std::string fish_values(const CLI::Option& flag) {
  if (!takes_value(flag)) return "";
  const Values values = values_of(flag);
  std::string words = joined(values.words);
  const bool folders_only = values.folder && values.words.empty();
  if (folders_only) words = "(__fish_complete_directories)";
  std::string text = (values.file || values.folder) && !folders_only ? " -r -F" : " -x";
  if (!words.empty()) text += " -a " + in_quotes(words);
  return text;
}

std::string fish_completion(const CLI::App& app) {
  std::string text = "complete -c sluice -f\n";
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    text += fmt::format("complete -c sluice -n __fish_use_subcommand -a {} -d {}\n", name,
                        in_quotes(command->get_description()));
    const std::string chosen =
        fmt::format("complete -c sluice -n '__fish_seen_subcommand_from {}'", name);
    const auto words = words_behind(app, *command);
    if (!words.front().starts_with("-")) {
      text += fmt::format("{} -a {}\n", chosen, in_quotes(joined(words)));
    }
    for (const CLI::Option* flag : flags_of(*command)) {
      for (const std::string& own : flag->get_lnames()) {
        text += fmt::format("{} -l {}{} -d {}\n", chosen, own, fish_values(*flag),
                            in_quotes(flag->get_description()));
      }
    }
  }
  return text;
}

}  // namespace

std::string completion(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash_completion(app);
  if (shell == "zsh") {
    return "#compdef sluice\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(app);
  }
  if (shell == "fish") return fish_completion(app);
  throw std::invalid_argument(
      fmt::format("completion: expected bash, zsh or fish, got \"{}\"", shell));
}

Command add_completion_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("completion", "Prints a script that completes this command");
  const auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "to complete in")->required()->type_name("bash|zsh|fish");
  command->footer(
      "Examples:\n"
      "  source <(sluice completion bash)\n"
      "  source <(sluice completion zsh)\n"
      "  sluice completion fish | source\n"
      "\n"
      "Exit status: " +
      std::string(kExitStatus) + ".");
  return {command, [&app, shell] {
            std::fputs(completion(app, *shell).c_str(), stdout);
            return 0;
          }};
}

}  // namespace sluice::cli
