// What a server does with a push: theta' = rule(theta, update), elementwise over one shard.
//
//   {"rule": "add"}                                        theta' = theta + update
//   {"rule": "optimizer", "optimizer": {"name": "adam"}}   one step on the update, a mean gradient
//
// A rule belongs to one shard, which calls it under its lock: begin() once per push, then apply()
// for blocks that together cover the shard once, in order. When either throws, the push counts as
// not applied and may come again, so a rule with state of its own must throw before it changes it.
// To add a rule: one source file, and one line in update_rule.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sluice/optimizers.h"

namespace sluice::server {

struct PushContext {
  int64_t version = 0;    // pushes that the shard had applied before this one
  int64_t staleness = 0;  // version - the version that the worker started from
  int32_t steps = 0;      // optimizer steps that the update sums up
  int worker = 0;
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

// The rule that `json` describes, for a shard of `shard_size` floats. Throws std::invalid_argument
// for text that is no rule; size 0 checks the text at no cost.
std::unique_ptr<UpdateRule> make_update_rule(const std::string& json, size_t shard_size);

// What make_update_rule() reads.
std::string add_rule_json();
std::string optimizer_rule_json(const OptimizerSpec& optimizer);

}  // namespace sluice::server
