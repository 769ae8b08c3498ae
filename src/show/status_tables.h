// The members of a job as tables, and how times and names are written in a job's status. Internal.
#pragma once

#include <string>

#include "driver/job_status.h"

namespace sluice::show {

// "0.4 s", "12 s", "1:02:03"; "-": not known.
std::string time_text(double seconds);
// What names of others' making may hold must not reach the terminal as it is.
std::string name_text(const std::string& text);

// A line for each server, or worker, and below it what there is to say of it; empty: there is none.
std::string server_table(const driver::JobStatus& status);
std::string worker_table(const driver::JobStatus& status);

}  // namespace sluice::show
