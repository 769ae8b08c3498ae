// Of which job `sluice status` and `sluice ctl` are about.
#pragma once

#include <string>

#include "sluice/status.h"

namespace sluice::cli {

// `given`, or, where that is empty, the address of the only job of this user on this machine.
// NOT_FOUND: there is none; FAILED_PRECONDITION: there are several. `usage`: what to do then,
// "sluice status ADDRESS".
Result<std::string> find_job(const std::string& given, const std::string& usage);

// 1, or 2 where whoever asks must choose.
int exit_status_of(const Status& failed);

}  // namespace sluice::cli
