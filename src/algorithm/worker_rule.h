// The worker's half of an algorithm: when to push, and what.
#pragma once

#include <cstdint>

namespace sluice::algorithm {

class WorkerRule {
 public:
  // `window`: mini-batches between two exchanges, at least 1.
  explicit WorkerRule(int64_t window) : window_(window) {}
  virtual ~WorkerRule() = default;

  // How many steps are trained when push `sequence` (from 1) is due, not counting the end of the
  // partition. push_end(0) is 0.
  virtual int64_t push_end(int64_t sequence) const { return sequence * window_; }
  // Pushes of a partition of `steps` steps: every due one, and one more for steps behind the last
  // of them, so that no sample is left out.
  int64_t pushes(int64_t steps) const;

  // Whether the replica steps by itself with the job's optimizer, and what a window changed is
  // pushed. Otherwise it only computes gradients, their sum is pushed, and the servers own the
  // optimizer.
  virtual bool trains_locally() const = 0;

  // What the change or the sum of gradients of `steps` steps is multiplied by when it is pushed.
  virtual float update_scale(int64_t steps) const = 0;

  int64_t window() const { return window_; }

 private:
  int64_t window_;
};

// 1 / steps, and 1 for none.
float mean_over(int64_t steps);

}  // namespace sluice::algorithm
