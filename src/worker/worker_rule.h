// The worker's half of an algorithm: when to push, and what.
//
// Letters: W window, t steps trained of a partition (counted over all its epochs, never reset),
// theta the replica's parameters, theta~ the servers' (the centre).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "wire/training_spec.h"

namespace sluice::worker {

class WorkerRule {
 public:
  explicit WorkerRule(int window) : window_(window) {}
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

  int window() const { return window_; }

 private:
  int window_;
};

// By the name in spec.trainer; throws std::invalid_argument for one it does not know.
std::unique_ptr<WorkerRule> make_worker_rule(const wire::TrainingSpec& spec);

// The algorithm's other half, as JSON for CreateRequest::update_rule.
std::string update_rule_for(const std::string& trainer, const OptimizerSpec& optimizer);

// "adag", "downpour", "async_sgd".
std::vector<std::string> trainer_names();

}  // namespace sluice::worker
