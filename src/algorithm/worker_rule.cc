#include "sluice/algorithm/worker_rule.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

namespace sluice::algorithm {

int64_t WorkerRule::pushes(int64_t steps, int64_t epoch_steps) const {
  int64_t due = steps / window(epoch_steps);  // push_end grows by one window a push
  const auto check = [steps](bool rises) {
    if (rises) return;
    throw std::invalid_argument(fmt::format(
        "push_end() of the algorithm does not rise from push to push up to {} steps", steps));
  };
  for (; push_end(due + 1, epoch_steps) <= steps; ++due) check(due <= steps);
  for (; push_end(due, epoch_steps) > steps; --due) check(due > 0);
  return due + (push_end(due, epoch_steps) < steps ? 1 : 0);
}

float mean_over(int64_t steps) { return 1.0f / static_cast<float>(std::max<int64_t>(steps, 1)); }

}  // namespace sluice::algorithm
