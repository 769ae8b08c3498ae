// What a job takes from the model that it trains: how that was compiled or trained before, as
// Keras' load_model().fit() does.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "data/records.h"
#include "sluice/model.h"
#include "train/job_config.h"
#include "train/objective.h"

namespace sluice::train {

// Sets those of "loss", "optimizer" and "metrics" that are not `given` to what the model has, and
// returns which. An optimizer that the job cannot have, such as one that names weights which the
// model does not have, is the config's instead, and a warning is logged.
std::set<std::string> adopt_training(const Model& model, const std::set<std::string>& given,
                                     JobConfig& config);

// Of an objective's metrics those that can be measured of such records; of others a warning is
// logged. `whose` they are: a file.
std::vector<std::string> fitting_metrics(const Model& model, const data::RecordsInfo& info,
                                         Objective objective, const std::string& whose);
// Likewise of metrics that were adopted.
void leave_out_unfit_metrics(const Model& model, const data::RecordsInfo& info, JobConfig& config);

}  // namespace sluice::train
