// Which pushes of a partition belong to which epoch: those whose window begins in it. A window that
// is longer than an epoch leaves some epochs without.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace sluice::driver {

// Immutable.
class PushPlan {
 public:
  // As algorithm::WorkerRule::push_end(): never falls.
  using PushEnd = std::function<int64_t(int64_t push, int64_t epoch_steps)>;

  // By partition: how many pushes its training takes, and how many steps an epoch of it has.
  PushPlan(std::vector<int64_t> pushes, std::vector<int64_t> epoch_steps, int epochs,
           PushEnd push_end);

  int epochs() const { return epochs_; }
  int64_t partitions() const { return static_cast<int64_t>(pushes_.size()); }
  int64_t pushes(int64_t partition) const { return pushes_[static_cast<size_t>(partition)]; }
  int64_t all_pushes() const { return all_pushes_; }

  int epoch_of(int64_t partition, int64_t push) const;
  // The last push of the epoch; where it has none, of one before it; 0: there is none before.
  int64_t epoch_end(int64_t partition, int epoch) const;
  // Of all partitions.
  int64_t pushes_of_epoch(int epoch) const;

  // Steps of the partition that are trained when this push begins; behind its last push, all.
  int64_t steps_before(int64_t partition, int64_t push) const;
  int64_t steps(int64_t partition, int64_t first, int64_t last) const {
    return steps_before(partition, last + 1) - steps_before(partition, first);
  }
  // The first push, of `first` to `last` + 1, that does not begin before this step.
  int64_t push_at(int64_t partition, int64_t step, int64_t first, int64_t last) const;
  double steps_per_push() const { return steps_per_push_; }

 private:
  int64_t epoch_steps(int64_t partition) const {
    return epoch_steps_[static_cast<size_t>(partition)];
  }

  const std::vector<int64_t> pushes_, epoch_steps_;
  const int epochs_;
  const PushEnd push_end_;
  int64_t all_pushes_ = 0;
  double steps_per_push_ = 1;
  // Partitions are of few sizes: one of each, and how many there are.
  std::map<std::pair<int64_t, int64_t>, std::pair<int64_t, int64_t>> kinds_;
};

}  // namespace sluice::driver
