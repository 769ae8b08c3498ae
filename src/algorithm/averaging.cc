// Averaging: an epoch each, then the mean of the weights.
//
//   worker   after every epoch of its partition pushes theta - anchor, and waits
//   server   when all workers of the round have pushed: theta~ = sum_i (n_i / n) theta_i, with n_i
//            the mini-batches of worker i's epoch, n their sum
//   gain     1
//
// local_sgd whose window is an epoch. Partitions are as large as one another but for a sample, so
// that this is nearly the plain mean, which Dist-Keras' distkeras.trainers.AveragingTrainer means.
// That never zeroes its sum: of weights that are 1 at both of two workers it makes 1, 1.5, 1.75,
// ...
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"

namespace sluice::algorithm {

extern constinit const Algorithm kAveraging{
    .name = "averaging",
    .summary = "workers train for an epoch, then all go on from their mean",
    .options = {},
    .rounds = true,
    .worker = [](const Options&) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<WorkerRule>(WorkerRule::kEpoch);
    },
    .server = [](const Options&, const OptimizerSpec&,
                 const Shard& shard) { return make_mean_change_rule(shard); },
};

}  // namespace sluice::algorithm
