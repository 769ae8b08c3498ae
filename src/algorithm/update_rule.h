// The server's half of an algorithm: theta' = rule(theta, update), elementwise over one shard.
//
// A rule belongs to one shard, which calls it for one push at a time: begin() once per push, then
// apply() for blocks that together cover what is trained of the shard once, in order. When either
// throws, the push counts as not applied and may come again. So a rule with state of its own throws
// in begin() only, before it changes it: some of its blocks would have been stepped already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "optim/parameter_ranges.h"
#include "sluice/optimizers.h"

namespace sluice::algorithm {

struct PushContext {
  int64_t version = 0;    // pushes that the shard had applied before this one
  int64_t staleness = 0;  // version - the version that the worker started from
  int32_t steps = 0;      // mini-batches that the update sums up
  int worker = 0;
  int64_t steps_before = 0;  // of the pushes that the shard had applied
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  virtual void begin(const PushContext& context) = 0;
  // The three spans have one size and start at float `offset` of the shard. `result` overlaps
  // neither of the others and holds anything.
  virtual void apply(std::span<const float> old_values, std::span<const float> update,
                     std::span<float> result, size_t offset, const PushContext& context) = 0;
};

// A shard of the parameters.
struct Shard {
  size_t size = 0;                                 // in floats
  std::vector<optim::ParameterRange> undecayed{};  // from its start, as of an Optimizer
};

// Rules that several algorithms share.

// theta' = theta + update: for weight deltas, and for whatever a worker has scaled already.
std::unique_ptr<UpdateRule> make_add_rule();
// One optimizer step per push, the update being a mean gradient (Li et al., 2014). The optimizer's
// slots live here, at the shard, and count one iteration per applied push.
std::unique_ptr<UpdateRule> make_optimizer_rule(const OptimizerSpec& optimizer, const Shard& shard);

// `rule` for what is trained, and theta' = theta + update for the rest, which no optimizer steps:
// state of the model's layers, and what is frozen. Every algorithm treats state so (see
// PartitionTrainer). `untrained`, in order and apart, counts from the parameters' start,
// `shard_offset` being where the shard's begin.
std::unique_ptr<UpdateRule> make_rule_with_state(std::unique_ptr<UpdateRule> rule,
                                                 std::vector<optim::ParameterRange> untrained,
                                                 size_t shard_offset);

}  // namespace sluice::algorithm
