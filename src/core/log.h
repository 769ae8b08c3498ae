// Logging to standard error, by spdlog, each line with the role of the process that wrote it:
//   12:03:44.120 I worker 1 | lease 2: partition 1, 20000 records, from step 0
//
// Nobody waits for whoever reads it; see core/standard_error.h.
//
// SLUICE_LOG(info, "server {} at {}", i, address). Levels: trace debug info warn error.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace sluice::log {

// Names the process in every line from now on: "driver", "server 0", "worker 2". The first call,
// which main() makes before there are threads, also sends the log to standard error.
void set_role(const std::string& role);
// "debug", "info", "warn", "error" or "off"; throws std::invalid_argument for anything else.
void set_level(const std::string& level);

}  // namespace sluice::log

#define SLUICE_LOG(level, ...) ::spdlog::level(__VA_ARGS__)
