// Files that a job writes at its end, looked at before it begins.
#pragma once

#include <string>
#include <vector>

#include "sluice/dataset.h"
#include "train/job_config.h"

namespace sluice::cli {

// Throws train::InvalidField for --save or --report when the file cannot be written, has the name
// of a format that Sluice does not write, is the other one's, or is one of `inputs`.
void check_outputs(const train::JobConfig& config, const std::vector<std::string>& inputs);

// The files that a dataset was read from.
std::vector<std::string> files_of(const TrainTest& data);

}  // namespace sluice::cli
