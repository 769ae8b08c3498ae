// The server's half of an algorithm: theta' = rule(theta, update), elementwise over one shard.
//
// A rule belongs to one shard, which calls it for one push at a time: begin() once per push, then
// apply() for blocks that together cover what is trained of the shard once, in order. Most rules
// make new values of every push; others keep updates until there are enough of them, or until a
// round ends: then begin() says so, and apply() writes no result.
//
// When begin() or apply() throws, the push counts as not applied and may come again. So a rule with
// state of its own throws in begin() only, before it changes it: some of its blocks would have been
// stepped already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "sluice/cplusplus.h"
#include "sluice/parameter_range.h"

namespace sluice::algorithm {

// What is known of a push as it is applied to a shard.
struct PushContext {
  int64_t version = 0;  // pushes that the shard had counted before this one
  // Pushes of others, in the values that this one is applied to, since those that its window began
  // from.
  int64_t staleness = 0;
  int32_t steps = 0;  // mini-batches that the update sums up
  int worker = 0;
  int64_t steps_before = 0;  // of the pushes that the shard had applied

  int workers = 1;           // that train at the moment
  double learning_rate = 0;  // of the worker's last step; 0: not known
  bool has_update = true;    // false: what was kept is all there is (see closes)
  bool closes = false;       // rounds only: the round ends with this push, or without one
  bool last = false;         // the job has no other push
  // The shard's values that the push's window began from; empty where they are not known any more,
  // and for algorithms that do not ask for them (Algorithm::keeps_bases).
  std::span<const float> base{};
  // Of a server's optimizer, from this push on, when it was changed while the job runs.
  std::optional<float> optimizer_rate{};
  // What that optimizer's rate is multiplied by for this push (see gain.h).
  double rate_scale = 1;
};

// What a rule keeps from one push to the next.
struct RuleState {
  // Elementwise: each as long as the shard, or empty, as a new rule has it.
  std::vector<std::span<const float>> floats{};
  std::vector<double> numbers{};  // of the shard as a whole
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Whether new values come of this push. Otherwise apply() only takes the update in.
  virtual bool begin(const PushContext& context) = 0;
  // The spans have one size and start at float `offset` of the shard. `result` overlaps neither of
  // the others and holds anything; it is empty where begin() said that nothing comes of the push.
  // `update` is empty where there is none.
  virtual void apply(std::span<const float> old_values, std::span<const float> update,
                     std::span<float> result, size_t offset, const PushContext& context) = 0;
  // Whether begin() may ever say that nothing comes of a push.
  virtual bool keeps_updates() const { return false; }

  // For jobs whose servers become more or fewer while they train (sluice ctl scale servers=N): then
  // shards are cut anew, and a new shard's rule gets the floats of its elements, and the numbers of
  // any of the shards that they are from. nullopt: the rule does not say what it keeps, and the
  // servers of its jobs stay as they are. Called between pushes; the spans are valid until the
  // next.
  virtual std::optional<RuleState> state() const { return std::nullopt; }
  // Goes on from there: of a rule that has had no push. Throws std::bad_alloc, and
  // std::invalid_argument for what state() never says: then the shards stay where they are. As it
  // is here it is for rules that keep nothing, and throws std::logic_error when there is something.
  virtual void restore(const RuleState& state) {
    if (state.floats.empty() && state.numbers.empty()) return;
    throw std::logic_error(
        "this rule says what it keeps, but does not go on from it (UpdateRule::restore)");
  }
};

// A shard of the parameters.
struct Shard {
  size_t size = 0;  // in floats
  // From its start, in order and apart: what weight decay leaves out (see sluice/optimizers.h).
  std::vector<ParameterRange> undecayed{};
};

}  // namespace sluice::algorithm
