// The worker's half of an algorithm: when to push, and what. It says so and does nothing itself:
// the worker's loop trains a window of mini-batches, pushes, and goes on from the answer. An object
// belongs to one worker, and is asked by one thread at a time.
#pragma once

#include <cstdint>

#include "sluice/cplusplus.h"

namespace sluice::algorithm {

// What a worker pushes of a window, with theta its parameters and `anchor` those at its beginning.
enum class Contribution {
  kChange,    // theta - anchor: the replica steps by itself, with the job's optimizer
  kWeights,   // theta: likewise
  kGradient,  // the sum of the gradients: the replica takes no step, the servers own the optimizer
};

// How a replica goes on from what the servers answer, `centre`.
enum class Adoption {
  kReplace,      // theta = centre
  kPullTowards,  // theta += pull_rate() (centre - theta), of what is trained
};

class WorkerRule {
 public:
  // A window as long as an epoch of the partition.
  static constexpr int64_t kEpoch = 0;

  // `window`: mini-batches between two exchanges, at least 1, or kEpoch.
  explicit WorkerRule(int64_t window) : window_(window) {}
  virtual ~WorkerRule() = default;

  // How many steps are trained when push `sequence` (from 1) of a partition with `epoch_steps`
  // steps in an epoch is due, not counting the partition's end. That of push 0 is 0.
  virtual int64_t push_end(int64_t sequence, int64_t epoch_steps) const {
    return sequence * window(epoch_steps);
  }
  // Pushes of a partition of `steps` steps: every due one, and one more for steps behind the last
  // of them, so that no sample is left out.
  int64_t pushes(int64_t steps, int64_t epoch_steps) const;

  // What is pushed, and what it is multiplied by.
  virtual Contribution contribution() const { return Contribution::kChange; }
  // What a change or a sum of gradients of `steps` steps is multiplied by when it is pushed.
  virtual float update_scale(int64_t /*steps*/) const { return 1; }

  // What is done with the answer; pull_rate() is from 0 (nothing) to 1 (kReplace).
  virtual Adoption adoption() const { return Adoption::kReplace; }
  virtual float pull_rate() const { return 0; }

  // Whether the replica's own optimizer steps.
  bool trains_locally() const { return contribution() != Contribution::kGradient; }
  int64_t window(int64_t epoch_steps) const {
    return window_ != kEpoch ? window_ : epoch_steps > 1 ? epoch_steps : 1;
  }

 private:
  int64_t window_;
};

// 1 / steps, and 1 for none.
float mean_over(int64_t steps);

}  // namespace sluice::algorithm
