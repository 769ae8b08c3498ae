#include "cli/flag_text.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace sluice::cli {
namespace {

struct Piece {
  std::string text;
  bool begins_word;
};

// The words; one of more than `width` characters is cut behind a "|" or at a fixed blank.
std::vector<Piece> pieces_of(const std::string& text, size_t width) {
  std::vector<Piece> pieces;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    bool begins = true;
    while (word.size() > width) {
      const size_t cut = word.find_last_of(std::string("|") + kFixedBlank, width - 1);
      if (cut == std::string::npos || cut + 1 == word.size()) break;
      const bool bar = word[cut] == '|';
      pieces.push_back({word.substr(0, bar ? cut + 1 : cut), begins});
      word.erase(0, cut + 1);
      begins = !bar;
    }
    pieces.push_back({word, begins});
  }
  return pieces;
}

}  // namespace

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> flags_of(const CLI::App& command) {
  return command.get_options([](const CLI::Option* flag) {
    return !flag->get_group().empty() && !flag->get_lnames().empty();
  });
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& command) {
  return command.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

std::vector<std::string> names_of(const CLI::Option& flag) {
  std::vector<std::string> names;
  for (const std::string& name : flag.get_snames()) names.push_back("-" + name);
  for (const std::string& name : flag.get_lnames()) names.push_back("--" + name);
  return names;
}

bool takes_value(const CLI::Option& flag) { return flag.get_expected_max() > 0; }

Values values_of(const CLI::Option& flag) {
  Values values;
  if (!takes_value(flag)) return values;
  std::istringstream written(flag.get_type_name());
  for (std::string value; std::getline(written, value, '|');) {
    if (value == "FILE") values.file = true;
    if (value == "FOLDER") values.folder = true;
    const bool placeholder = std::any_of(value.begin(), value.end(),
                                         [](unsigned char c) { return std::isupper(c) != 0; });
    if (!placeholder) values.words.push_back(value);
  }
  return values;
}

std::string wrapped(const std::string& text, size_t margin, size_t width, size_t column) {
  const size_t room = width > margin ? width - margin : 1;
  std::string lines;
  for (const Piece& piece : pieces_of(text, room)) {
    const size_t blank = !lines.empty() && piece.begins_word ? 1 : 0;
    if (!lines.empty() && column + blank + piece.text.size() > width) {
      lines += "\n" + std::string(margin, ' ');
      column = margin;
    } else {
      lines += std::string(blank, ' ');
      column += blank;
    }
    lines += piece.text;
    column += piece.text.size();
  }
  return lines;
}

}  // namespace sluice::cli
