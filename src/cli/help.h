// What --help prints, as wide as the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sluice::cli {

// Lines of a footer that begin with a blank are examples; all others are paragraphs.
class HelpFormatter final : public CLI::Formatter {
 public:
  // `width` 0: standard output's where that is a terminal, but 100 columns at most; 80 elsewhere.
  explicit HelpFormatter(size_t width = 0) : width_(width) {}

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;

 private:
  const size_t width_;
};

}  // namespace sluice::cli
