#include "cli/help.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "cli/flag_text.h"

namespace sluice::cli {
namespace {

constexpr size_t kColumn = 28;  // where descriptions begin
constexpr size_t kNarrowest = 50, kWidest = 100, kElsewhere = 80;

size_t columns_of_terminal() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? std::clamp<size_t>(size.ws_col, kNarrowest, kWidest) : kElsewhere;
}

// "  NAME        what it is", the latter on lines of its own where the name is long.
std::string entry(const std::string& name, const std::string& what, size_t width) {
  std::string text = "  " + wrapped(name, 6, width, 2);
  const size_t last_line = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  if (text.size() - last_line + 1 > kColumn || last_line > 0) text += "\n";
  const size_t column = text.back() == '\n' ? 0 : text.size();
  text += std::string(kColumn - column, ' ');
  text += wrapped(what, kColumn, width, kColumn) + "\n";
  std::replace(text.begin(), text.end(), kFixedBlank, ' ');
  return text;
}

std::string with_default(const CLI::Option& flag) {
  std::string text = flag.get_description();
  if (flag.get_required()) text += " (required)";
  if (flag.get_default_str().empty()) return text;
  return fmt::format("{} (default:{}{})", text, kFixedBlank, flag.get_default_str());
}

std::string flag_entry(const CLI::Option& flag, size_t width) {
  std::string name = fmt::format("{}", fmt::join(names_of(flag), ", "));
  if (takes_value(flag)) name += " " + flag.get_type_name();
  return entry(name, with_default(flag), width);
}

std::string usage(const CLI::App& app, const std::string& name) {
  std::string text = "Usage: " + name;
  text += commands_of(app).empty() ? " [FLAG ...]" : " COMMAND [FLAG ...]";
  for (const CLI::Option* positional : positionals_of(app)) {
    text += " " + positional->get_type_name();
  }
  return text + "\n";
}

// "  COMMAND      what it does", which stays as it is where there is room. Else what it does goes
// on below where it begins, if that is near; or it has a line of its own, and the command goes on
// behind a backslash, as shells read it.
std::string example(const std::string& line, size_t width) {
  if (line.size() <= width) return line;
  const size_t gap = line.find("   ", line.find_first_not_of(' '));
  const size_t what = gap == std::string::npos ? gap : line.find_first_not_of(' ', gap);
  if (what < kColumn) return line.substr(0, what) + wrapped(line.substr(what), what, width, what);
  std::string text = "  " + wrapped(line.substr(0, gap), 6, width - 2, 2);
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 3)) {
    text.insert(at, " \\");
  }
  if (gap == std::string::npos) return text;
  return text + "\n" + std::string(6, ' ') + wrapped(line.substr(gap), 6, width, 6);
}

std::string footer(const std::string& text, size_t width) {
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    result += (line.starts_with(" ") ? example(line, width) : wrapped(line, 0, width, 0)) + "\n";
  }
  return result;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode /*mode*/) const {
  const size_t width = width_ > 0 ? width_ : columns_of_terminal();
  std::string text = wrapped(app->get_description(), 0, width, 0) + "\n" + usage(*app, name);
  if (const auto commands = commands_of(*app); !commands.empty()) {
    text += "\nCommands:\n";
    for (const CLI::App* command : commands) {
      text += entry(command->get_name(), command->get_description(), width);
    }
  }
  if (const auto positionals = positionals_of(*app); !positionals.empty()) {
    text += "\nArguments:\n";
    for (const CLI::Option* positional : positionals) {
      text += entry(positional->get_type_name(), positional->get_description(), width);
    }
  }
  std::string group;
  for (const CLI::Option* flag : flags_of(*app)) {
    if (flag->get_group() != group) text += "\n" + flag->get_group() + ":\n";
    group = flag->get_group();
    text += flag_entry(*flag, width);
  }
  if (!app->get_footer().empty()) text += "\n" + footer(app->get_footer(), width);
  return text;
}

}  // namespace sluice::cli
