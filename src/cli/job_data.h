// The records of a job, as its model and its flags want them.
#pragma once

#include <set>
#include <string>

#include "sluice/dataset.h"
#include "sluice/model.h"
#include "sluice/status.h"
#include "train/job_config.h"

namespace sluice::cli {

// Throws train::InvalidField of a field, in words that may begin with its name.
[[noreturn]] void refuse(const char* field, const Status& why);

// `given`: the fields of the config that somebody gave, `adopted` those that are the model's own
// (train::adopt_training()). Metrics of these that do not fit such records are left out of the
// config; the model learns what the dataset does to its records where it has to. Throws
// train::InvalidField, or std::invalid_argument for records that do not go with the loss.
TrainTest load_job_data(train::JobConfig& config, const std::set<std::string>& given,
                        const std::set<std::string>& adopted, Model& model);

}  // namespace sluice::cli
