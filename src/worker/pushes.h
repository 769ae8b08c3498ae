// How a job's partitions are trained, counted in pushes.
#pragma once

#include <cstdint>
#include <vector>

#include "wire/training_spec.h"

namespace sluice::worker {

// How many pushes the training of each partition takes. Throws std::invalid_argument for a job that
// makes no sense: fewer records than partitions, or smaller partitions than batches.
std::vector<int64_t> pushes_by_partition(const wire::TrainingSpec& spec);

}  // namespace sluice::worker
