#include "worker/pushes.h"

#include "data/partition.h"

namespace sluice::worker {

std::vector<int64_t> pushes_by_partition(const wire::TrainingSpec& spec) {
  const data::Partitioning partitioning(spec.records, spec.partitions, spec.seed,
                                        data::Shuffle::kNone);
  const auto rule = spec.trainer.worker_rule();
  std::vector<int64_t> pushes;
  for (int64_t p = 0; p < spec.partitions; ++p) {
    const data::BatchPlan plan(p, partitioning.size(p), spec.batch_size, spec.epochs, spec.seed,
                               data::Shuffle::kNone);
    pushes.push_back(rule->pushes(plan.steps(), plan.steps_per_epoch()));
  }
  return pushes;
}

}  // namespace sluice::worker
