// Scripts that complete commands, flags and their values in shells.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sluice::cli {

// For "bash", "zsh" or "fish"; throws std::invalid_argument for any other shell.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace sluice::cli
