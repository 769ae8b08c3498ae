// The manual page, made from the same table of flags as --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sluice::cli {

// sluice(1), in man's macros.
std::string manual_page(const CLI::App& app);

}  // namespace sluice::cli
