// What a command's flags say of themselves, for all that is told of them: help, the manual page and
// completion.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sluice::cli {

// All commands, in the order in which they were added.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

// Those that are shown, in the order in which they were added; and what is no flag (SHELL).
std::vector<const CLI::Option*> flags_of(const CLI::App& command);
std::vector<const CLI::Option*> positionals_of(const CLI::App& command);

// "-h", "--help"; or "--shuffle" and its opposite.
std::vector<std::string> names_of(const CLI::Option& flag);

bool takes_value(const CLI::Option& flag);

// What may stand behind a flag, of its "auto|cpu|cuda|cuda:N": the words that mean themselves. What
// has a capital letter is a placeholder.
struct Values {
  std::vector<std::string> words;
  bool file = false;    // FILE is among the placeholders
  bool folder = false;  // FOLDER is
};
Values values_of(const CLI::Option& flag);

// A blank that lines are broken at only where a word has no room otherwise; whoever prints wrapped
// lines makes it one.
inline constexpr char kFixedBlank = '\x1f';

// Lines of at most `width` columns behind a margin of `margin` blanks; the first line begins where
// `column` columns are written already. Broken at blanks, and behind a "|" where that is not
// enough. Without a newline at the end.
std::string wrapped(const std::string& text, size_t margin, size_t width, size_t column);

}  // namespace sluice::cli
