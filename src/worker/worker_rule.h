// The worker's half of an algorithm: when to push, and what.
//
// Letters: W window, t steps trained of a partition (counted over all its epochs, never reset),
// theta the replica's parameters, theta~ the servers' (the centre).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
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

  // Whether the replica steps by itself with the job's optimizer. Otherwise it only computes
  // gradients and the servers own the optimizer.
  virtual bool trains_locally() const = 0;

  // After each step of a rule that does not train locally: the step's mean gradient.
  virtual void add_gradient(std::span<const float> /*gradient*/) {}

  // Writes the push: `replica` after and `anchor` before `steps` steps.
  virtual void make_update(std::span<const float> replica, std::span<const float> anchor,
                           int64_t steps, std::span<float> update) = 0;

  // The replica's parameters to go on from: the pulled centre, and the worker's own push that the
  // centre does not contain yet (empty when it contains all).
  virtual void adopt(std::span<const float> centre, std::span<const float> own_update,
                     std::span<float> replica) const = 0;

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
