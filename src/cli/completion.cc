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

std::vector<std::string> flag_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* flag : flags_of(command)) {
    for (const std::string& name : names_of(*flag)) names.push_back(name);
  }
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
  return flag_names(command);
}

// What a flag's value may be, as the arguments of _sluice_values; empty: nothing to offer.
std::string bash_values(const CLI::Option& flag) {
  const Values values = values_of(flag);
  const char* paths = values.file ? "-f" : values.folder ? "-d" : "";
  if (values.words.empty() && *paths == '\0') return "";
  return fmt::format("'{}' {}", joined(values.words), paths);
}

// bash cuts words at ':' and '=' unless they are in quotes, zsh does not. Of "csv:TRAIN,TEST" each
// file is completed. zsh's compgen knows no files but those that begin with the whole word.
constexpr const char* kBash = R"(_sluice_paths() {
  local IFS=$'\n' file
  if [ -z "${ZSH_VERSION-}" ]; then
    COMPREPLY+=($(compgen "$1" -- "$2"))
    return
  fi
  for file in "$2"*; do
    if [ -d "$file" ] || { [ "$1" = -f ] && [ -e "$file" ]; }; then COMPREPLY+=("$file"); fi
  done
}
_sluice_values() {
  local IFS=$'\n'
  COMPREPLY=($(IFS=' '; compgen -W "$2" -- "$1"))
  if [ -n "${3-}" ]; then _sluice_paths "$3" "$1"; fi
}
_sluice_begin_with() {
  if [ "${#COMPREPLY[@]}" -gt 0 ]; then COMPREPLY=("${COMPREPLY[@]/#/$1}"); fi
}
_sluice_files() {
  local before=
  case $1:$2 in
  csv:*,*) before=${2%,*}, ;;
  esac
  _sluice_paths -f "${2#"$before"}"
  if [ -n "$3$before" ] && [ "${#COMPREPLY[@]}" -eq 1 ] && [ -d "${COMPREPLY[0]}" ]; then
    COMPREPLY=("${COMPREPLY[0]}/")
    compopt -o nospace 2>/dev/null
  fi
  _sluice_begin_with "$3$before"
}
_sluice_of() {
  local cur=$1 prev=$2
  if [ "$COMP_CWORD" -eq 1 ]; then
    case $cur in
    -*) _sluice_values "$cur" '@FLAGS@' ;;
    *) _sluice_values "$cur" '@COMMANDS@' ;;
    esac
    return
  fi
  if [ "$cur" = ':' ] || [ "$prev" = ':' ]; then
    if [ "$cur" = ':' ]; then cur=; else prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    case $prev in
    csv|unix) _sluice_files "$prev" "$cur" '' ;;
    esac
    return
  fi
  case $cur in
  csv:*|unix:*)
    _sluice_files "${cur%%:*}" "${cur#*:}" "${cur%%:*}:"
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
_sluice() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $cur in
  [\'\"]*) cur=${cur#?} ;;
  *) cur=${cur//\\/} ;;
  esac
  case $cur in
  --*=*)
    _sluice_of "${cur#*=}" "${cur%%=*}"
    _sluice_begin_with "${cur%%=*}=" ;;
  *) _sluice_of "$cur" "$prev" ;;
  esac
}
complete -o filenames -o default -F _sluice sluice
)";

// Of a file that zsh loads when it is first needed, the first call is this text itself.
constexpr const char* kZshEnd = R"(if [ "${funcstack[1]-}" = _sluice ]; then
  _bash_complete -o filenames -F _sluice
fi
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
  replace(text, "@FLAGS@", joined(flag_names(app)));
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
  for (const CLI::Option* flag : flags_of(app)) {
    for (const std::string& name : flag->get_lnames()) {
      text += fmt::format("complete -c sluice -n __fish_use_subcommand -l {} -d {}\n", name,
                          in_quotes(flag->get_description()));
    }
  }
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    text += fmt::format("complete -c sluice -n __fish_use_subcommand -a {} -d {}\n", name,
                        in_quotes(command->get_description()));
    const std::string chosen =
        fmt::format("complete -c sluice -n '__fish_seen_subcommand_from {}'", name);
    const auto words = words_behind(app, *command);
    if (!positionals_of(*command).empty() && words.front().starts_with("-")) {
      text += chosen + " -F\n";  // what it takes without a flag are files
    }
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
    return "#compdef sluice\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(app) +
           kZshEnd;
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
