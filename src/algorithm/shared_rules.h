// Rules that several algorithms share. `s` is what bounds the gain (see gain.h).
#pragma once

#include <cstdint>
#include <memory>

#include "core/aligned_buffer.h"
#include "optim/optimizer.h"
#include "sluice/algorithm/gain.h"
#include "sluice/algorithm/update_rule.h"

namespace sluice::algorithm {

// What an optimizer keeps, as parts of a rule's state.
void add_state_of(const optim::Optimizer& optimizer, RuleState& state);
void restore(optim::Optimizer& optimizer, const RuleState& state);
// A count among the numbers of a state. Throws std::invalid_argument: it is none, or below `least`.
int64_t count_of(double number, int64_t least = 0);
// Floats of a state, unless it has none.
void restore(std::span<float> values, std::span<const float> state);

// sum = a + factor b. A factor of 1 costs no rounding.
void add_scaled(std::span<const float> a, std::span<const float> b, float factor,
                std::span<float> sum);

// theta' = theta + s update: for weight deltas, and for whatever a worker has scaled already.
std::unique_ptr<UpdateRule> make_add_rule(Gain gain);

// theta' = update: for weights.
std::unique_ptr<UpdateRule> make_replace_rule();

// One step of an optimizer per push, `update` being a mean gradient (Li et al., 2014):
//
//   theta' = theta + min(1, s r) (step(theta, update) - theta)
//
// r is what comes with the push (PushContext::rate_scale): as large as the workers that the job was
// told of make it, which need not be there. So the product never is above 1.
// The optimizer's slots live here, at the shard, and count one iteration per step.
class OptimizerRule : public UpdateRule {
 public:
  OptimizerRule(const OptimizerSpec& optimizer, const Shard& shard, Gain gain);

  bool begin(const PushContext& context) override;
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext& context) override;
  std::optional<RuleState> state() const override;
  void restore(const RuleState& state) override;

 private:
  optim::Optimizer optimizer_;
  const Gain gain_;
};

// Keeps updates until enough of them are there, and makes one step of their weighted mean
//
//   mean = sum_i w_i update_i / sum_i w_i
//
// An update that comes alone is its own mean, bit for bit.
class MeanRule : public UpdateRule {
 public:
  explicit MeanRule(const Shard& shard) : shard_size_(shard.size) {}

  bool begin(const PushContext& context) final;
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext& context) final;
  bool keeps_updates() const final { return true; }
  std::optional<RuleState> state() const final;
  void restore(const RuleState& state) final;

 protected:
  // What a step leaves for the next, of a rule that keeps such: added to `state`, and taken from
  // what was added.
  virtual void add_step_state(RuleState& /*state*/) const {}
  virtual void restore_step(const RuleState& /*state*/) {}
  virtual double weight_of(const PushContext& /*context*/) const { return 1; }
  // Whether the step is made once the push of `context` is in, the `count`-th since the last step.
  virtual bool is_enough(const PushContext& context, int64_t count) const = 0;
  // Before a step's blocks. `weights`: sum of the w_i. Throws before it changes anything.
  virtual void begin_step(const PushContext& /*context*/, double /*weights*/) {}
  // `result` holds the mean, which becomes the new values.
  virtual void step(std::span<const float> old_values, std::span<float> result, size_t offset) = 0;

 private:
  const size_t shard_size_;
  core::AlignedBuffer sum_;  // made with the first update that is kept
  double weight_ = 0;        // of the push that was begun
  double weights_ = 0;       // of all since the last step
  int64_t count_ = 0;        // likewise
  bool stepping_ = false;    // the push that was begun makes the step
  bool first_ = false;       // and nothing was kept before it
};

// One step for each round (Algorithm::rounds), on the mean of what it was given.
class RoundRule : public MeanRule {
 public:
  using MeanRule::MeanRule;

 protected:
  bool is_enough(const PushContext& context, int64_t /*count*/) const final {
    return context.closes;
  }
};

// `rule` for what is trained, and theta' = theta + update / workers for the rest, which no
// optimizer steps: state of the model's layers, and what is frozen. Every algorithm treats state so
// (see PartitionTrainer). `untrained`, in order and apart, counts from the parameters' start,
// `shard_offset` being where the shard's begin.
std::unique_ptr<UpdateRule> make_rule_with_state(std::unique_ptr<UpdateRule> rule,
                                                 std::vector<ParameterRange> untrained,
                                                 const Shard& shard, size_t shard_offset);

// theta' = theta + mean of the round's changes, each weighted by its mini-batches: the mean of the
// workers' weights, as all began from theta.
std::unique_ptr<UpdateRule> make_mean_change_rule(const Shard& shard);

}  // namespace sluice::algorithm
