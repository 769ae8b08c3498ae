// Logging to standard error, by spdlog, each line with the role of the process that wrote it:
//   12:03:44.120 I worker 1 | lease 2: partition 1, 20000 records, from step 0
//
// Writing a line never blocks, also when nobody reads standard error; see core/standard_error.h.
//
// SLUICE_LOG(info, "server {} at {}", i, address). Levels: trace debug info warn error.
#pragma once

#include <fmt/core.h>

#include <string>

namespace sluice::log {

// Names the process in every line from now on: "driver", "server 0", "worker 2". Until the first
// call it is "sluice", which is true of every program.
void set_role(const std::string& role);
// Names its host in every line too, "worker 1@hosta": for processes whose lines may come to lie
// beside those of other hosts. Empty, the default: no host.
void set_host(const std::string& host);
// "debug", "info", "warn", "error" or "off"; throws std::invalid_argument for anything else.
void set_level(const std::string& level);

enum class Level { trace, debug, info, warn, error };
void write(Level level, fmt::string_view format, fmt::format_args arguments);

// Compiled into every source that logs, so it is small: spdlog itself is included by log.cc only.
template <typename... Arguments>
void format(Level level, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  write(level, text, fmt::make_format_args(arguments...));
}

}  // namespace sluice::log

#define SLUICE_LOG(level, ...) ::sluice::log::format(::sluice::log::Level::level, __VA_ARGS__)
