// The values of one shard, their averages where the job keeps some, and the rule that steps them.
//
// The values are an immutable snapshot with a version, and so are their averages. A push writes
// rule(old, update) into another buffer, in one pass over blocks that stay in the cache, and the
// averages into one more. Whoever pulls shares the snapshot: without copying, never torn, and
// without waiting for a push that is being applied. Of an algorithm that steps in place (Hogwild)
// pushes of different partitions change the values at the same time, block by block
// (live_values.h), and whoever pulls gets a copy.
//
// Not thread-safe: what is marked "locked" is called with the store's lock, the rest by the call
// whose turn it is, without it (job_store.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "algorithm/algorithm.h"
#include "server/buffer_pool.h"
#include "server/held_values.h"
#include "server/live_values.h"
#include "wire/move.h"
#include "wire/parameters.h"

namespace sluice::server {

class ShardValues {
 public:
  using MakeRule = std::function<algorithm::ShardRule(const wire::Shard& shard)>;

  struct Snapshot {
    int64_t version = 0;
    wire::Payload values{};
    wire::Payload averages{};  // empty: none are kept
  };
  // What a worker was given last.
  struct Given {
    wire::PushIdentity id;  // in answer to this push
    Snapshot snapshot;
  };
  // A push on its way through the rule.
  struct Step {
    Snapshot old;
    wire::Payload base;  // keeps what context.base sees
    algorithm::PushContext context;
    std::shared_ptr<core::AlignedBuffer> values, averages;
    bool publishes = false;
    Snapshot next;  // of apply(), when it publishes
  };

  // Takes no memory for values, and makes no rule, before the first prepare_values(). The pool's
  // buffers are at least as large as the shard.
  ShardValues(const wire::Shard& shard, MakeRule make_rule, std::shared_ptr<BufferPool> pool)
      : shard_(shard), make_rule_(std::move(make_rule)), pool_(std::move(pool)) {}

  const wire::Shard& shard() const { return shard_; }

  // Values that are assigned: what assign() then puts in place. Throws what the rule throws.
  struct Assigned {
    Snapshot snapshot;
    std::shared_ptr<LiveValues> live;
  };
  Assigned prepare_values(const wire::ReceivedPayload& values, bool in_place);
  void assign(Assigned& values) noexcept;  // locked; what was there before is in `values` then

  // Takes the memory that the step needs. Throws std::bad_alloc, and then nothing has changed.
  void prepare(Step& step);
  // Tells the rule. A push that comes again because a later shard's rule threw is told once. Throws
  // what the rule throws.
  void begin(Step& step, const wire::PushIdentity& id);
  // The pass over the values. Throws what the rule throws: it is a rule without a state then.
  void apply(Step& step, const wire::ReceivedPayload& update);
  void publish(Step& step, int64_t version) noexcept;  // locked; then `step` has the old values
  // The same of values that are stepped in place.
  void apply_in_place(const algorithm::PushContext& context, const wire::ReceivedPayload& update) {
    live_->apply(*rule_.update, update, context);
  }

  const Snapshot& snapshot() const { return snapshot_; }            // locked
  std::shared_ptr<const LiveValues> live() const { return live_; }  // locked
  // Takes a copy of values that are stepped in place, of at least this version.
  Snapshot copied(const LiveValues& live, int64_t version) const;  // on any thread

  std::map<int, Given>& given() { return given_; }  // locked; by worker
  HeldValues& held() { return held_; }              // locked

  // What goes with the shard to other servers: locked, and between pushes. FAILED_PRECONDITION: its
  // rule does not say what it keeps, or says of other elements than the shard's.
  Result<wire::ShardState> describe() const;
  // Floats that describe() lists; zeros where the rule has none. NOT_FOUND: it lists no such.
  Result<wire::Payload> kept(const wire::PullRequest::Kept& what) const;
  // Floats as they were described, each as long as the shard.
  struct Adopted {
    wire::ShardState state;
    std::span<const float> values, averages;
    std::vector<std::span<const float>> rule, given;  // as `state` lists them
  };
  // Goes on from there, instead of assign(). INVALID_ARGUMENT: of another rule. Throws what the
  // rule throws.
  Status adopt(const Adopted& adopted, bool in_place);

  // A difference to what a worker holds, and what it holds when it has added that. On any thread.
  struct Difference {
    wire::PullReply::Difference sent;
    wire::Payload held;
  };
  Difference difference(const wire::Payload& values, const wire::Payload& held,
                        const compression::Compression& encoding) const;

 private:
  wire::Payload payload_of(std::shared_ptr<const core::AlignedBuffer> buffer) const;
  Result<algorithm::RuleState> rule_state() const;

  const wire::Shard shard_;
  const MakeRule make_rule_;
  const std::shared_ptr<BufferPool> pool_;
  algorithm::ShardRule rule_;
  int64_t averaged_steps_ = 0;  // that the averages have
  // The push that the rule was told of last, until its values are published or kept.
  std::optional<std::pair<wire::PushIdentity, bool>> begun_;

  Snapshot snapshot_;
  std::shared_ptr<LiveValues> live_;  // instead, where the algorithm steps in place
  std::map<int, Given> given_;
  HeldValues held_;
};

}  // namespace sluice::server
