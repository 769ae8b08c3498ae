// Calls of people to a driver that runs: how its job is getting on, and what is to be changed.
#pragma once

#include <string>
#include <vector>

#include "core/clock.h"
#include "driver/job_status.h"
#include "sluice/status.h"

namespace sluice::launch {

inline constexpr core::Duration kJobCall = std::chrono::seconds(5);

// Each returns within `timeout`. UNAVAILABLE, DEADLINE_EXCEEDED: nobody answers there.
Result<std::string> ask_status_json(const std::string& address, core::Duration timeout = kJobCall);
Result<driver::JobStatus> ask_status(const std::string& address, core::Duration timeout = kJobCall);
// "set", {"learning-rate", "0.001"}: one line about what has changed. INVALID_ARGUMENT,
// FAILED_PRECONDITION: why nothing has.
Result<std::string> send_command(const std::string& address, const std::string& verb,
                                 const std::vector<std::string>& arguments,
                                 core::Duration timeout = kJobCall);

}  // namespace sluice::launch
