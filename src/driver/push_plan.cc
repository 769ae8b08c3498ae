#include "driver/push_plan.h"

#include <algorithm>

#include "core/check.h"

namespace sluice::driver {

PushPlan::PushPlan(std::vector<int64_t> pushes, std::vector<int64_t> epoch_steps, int epochs,
                   PushEnd push_end)
    : pushes_(std::move(pushes)),
      epoch_steps_(std::move(epoch_steps)),
      epochs_(epochs),
      push_end_(std::move(push_end)) {
  SLUICE_CHECK(pushes_.size() == epoch_steps_.size() && epochs_ > 0);
  double steps = 0;
  for (size_t p = 0; p < pushes_.size(); ++p) {
    all_pushes_ += pushes_[p];
    steps += static_cast<double>(epoch_steps_[p]) * epochs_;
    auto& [one, count] = kinds_[{pushes_[p], epoch_steps_[p]}];
    one = static_cast<int64_t>(p);
    ++count;
  }
  if (all_pushes_ > 0) steps_per_push_ = std::max(steps / static_cast<double>(all_pushes_), 1e-9);
}

int64_t PushPlan::steps_before(int64_t partition, int64_t push) const {
  const int64_t all = epoch_steps(partition) * epochs_;
  return push > pushes(partition) ? all
                                  : std::min(push_end_(push - 1, epoch_steps(partition)), all);
}

int64_t PushPlan::push_at(int64_t partition, int64_t step, int64_t first, int64_t last) const {
  // Binary search; `last` + 1 where none of them is that far.
  int64_t low = first, high = last + 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (steps_before(partition, middle) < step) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

int PushPlan::epoch_of(int64_t partition, int64_t push) const {
  const int64_t epoch =
      steps_before(partition, push) / std::max(epoch_steps(partition), int64_t{1});
  return static_cast<int>(std::min<int64_t>(epoch, epochs_ - 1));
}

int64_t PushPlan::epoch_end(int64_t partition, int epoch) const {
  if (epoch < 0) return 0;
  if (epoch >= epochs_ - 1) return pushes(partition);
  const int64_t end = (epoch + int64_t{1}) * epoch_steps(partition);
  return push_at(partition, end, 1, pushes(partition)) - 1;
}

int64_t PushPlan::pushes_of_epoch(int epoch) const {
  int64_t pushes = 0;
  for (const auto& [kind, which] : kinds_) {
    const auto& [one, count] = which;
    pushes += count * (epoch_end(one, epoch) - epoch_end(one, epoch - 1));
  }
  return pushes;
}

}  // namespace sluice::driver
