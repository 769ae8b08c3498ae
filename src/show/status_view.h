// A job's status as people read it: some lines about the job, and a table each of its servers and
// workers.
#pragma once

#include <string>

#include "driver/job_status.h"

namespace sluice::show {

// Lines, each with a line's end.
std::string to_text(const driver::JobStatus& status);

// For a terminal that is redrawn: lines of at most `columns` characters, at least 3, longer ones
// broken at blanks and going on behind two, and at most `rows` lines.
std::string fit(const std::string& text, size_t columns, size_t rows);

}  // namespace sluice::show
