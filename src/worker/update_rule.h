// What the servers of a job do with its workers' pushes.
#pragma once

#include <string>

#include "sluice/model.h"
#include "wire/training_spec.h"

namespace sluice::worker {

// For CreateRequest::update_rule. `model`: all that the servers hold; `of_a_worker`: what a replica
// is of, the one that `spec` describes, by whose weights' names the optimizer goes. They are the
// same unless partitions have parameters of their own.
std::string update_rule_of(const wire::TrainingSpec& spec, const Model& model,
                           const Model& of_a_worker);

}  // namespace sluice::worker
