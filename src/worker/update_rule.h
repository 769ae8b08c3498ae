// What the servers of a job do with its workers' pushes.
#pragma once

#include <string>

#include "sluice/model.h"
#include "wire/training_spec.h"

namespace sluice::worker {

// For CreateRequest::update_rule. `model` is the one that `spec` describes.
std::string update_rule_of(const wire::TrainingSpec& spec, const Model& model);

}  // namespace sluice::worker
