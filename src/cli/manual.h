// What there is to read about the command beside --help, made from the same table of flags: the
// manual page and completion for shells.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sluice::cli {

// sluice(1), in man's macros.
std::string manual_page(const CLI::App& app);

// A script for "bash", "zsh" or "fish"; throws std::invalid_argument for any other shell.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace sluice::cli
