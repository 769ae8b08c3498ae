// One shard of the parameters at its server: values, their averages where the job keeps some,
// version, rule, and the ledger of its pushes.
//
// The values are an immutable snapshot with a version, and so are their averages. A push writes
// rule(old, update) into another buffer, in one pass over blocks that stay in the cache, and the
// averages into one more, and publishes them together with its entry in the ledger. Whoever pulls
// shares the snapshot: without copying, never torn, and without waiting for a push that is being
// applied. A push that fails, for whatever reason, has changed nothing.
//
// Pushes, fences and assignments are decided one at a time, in the order in which they came
// (shard_machine.h), so that a fence's answer includes the push that was being applied. No thread
// waits for its turn: a call that comes during another's turn is held with its message and its
// reply, and the thread that ends that turn serves it. Each call is answered exactly once, after
// its turn and outside of the lock; the buffers of its message are released before.
//
// Errors: those of ShardMachine; RESOURCE_EXHAUSTED when memory runs out, INTERNAL when the rule
// throws. Thread-safe. The caller keeps the store alive until its call returns; for a call that is
// held, the caller of the one that has its turn does.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "algorithm/algorithm.h"
#include "core/reply.h"
#include "core/world.h"
#include "server/buffer_pool.h"
#include "server/shard_machine.h"
#include "server/turns.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::server {

class ShardStore {
 public:
  using MakeRule = std::function<algorithm::ShardRule(size_t shard_size)>;

  // Takes no memory for values, and makes no rule, before the first assign(). The pool's buffers
  // are at least as large as the shard. `world`, and `pushes` by partition, outlive the store.
  ShardStore(const wire::Shard& shard, std::span<const int64_t> pushes, MakeRule make_rule,
             std::shared_ptr<BufferPool> pool, const core::World& world);

  void assign(wire::ReceivedPayload values, core::Reply<Status> reply);

  // Applies the push once. The snapshot in the reply is of the version that the push produced; for
  // a duplicate, the present one.
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                core::Reply<Result<wire::ExchangeReply>> reply);

  // Answers with the last sequence of the partition that has been applied.
  void fence(int64_t partition, int64_t incarnation, core::Reply<Result<int64_t>> reply);

  Result<wire::PullReply> pull() const;
  // Before the first push they are the values. INVALID_ARGUMENT: the job keeps none.
  Result<wire::PullReply> pull_averages() const;

  struct Report {
    wire::LedgerReply::ShardCount count;
    TrainingTotals totals;
    double update_seconds = 0;
  };
  Report report() const;
  // Of the partitions that the shard has heard of, in order.
  std::vector<wire::LedgerReply::PartitionCount> partitions() const;

 private:
  struct Assign {
    wire::ReceivedPayload values;
    core::Reply<Status> reply;
  };
  struct Push {
    wire::PushHeader header;
    wire::ReceivedPayload update;
    core::Reply<Result<wire::ExchangeReply>> reply;
  };
  struct Fence {
    int64_t partition;
    int64_t incarnation;
    core::Reply<Result<int64_t>> reply;
  };
  using Call = std::variant<Assign, Push, Fence>;
  struct Snapshot {
    int64_t version = 0;
    wire::Payload values{};
    wire::Payload averages{};  // empty: none are kept
  };

  void take(Call call);
  void serve_turns(Call call) noexcept;
  std::optional<Call> finish_turn();
  // At the call's turn.
  void serve(Assign& call);
  void serve(Push& call);
  void serve(Fence& call);
  Status assign_now(const wire::ReceivedPayload& values);
  Result<wire::ExchangeReply> push_now(const wire::PushHeader& header,
                                       const wire::ReceivedPayload& update);
  Result<Snapshot> snapshot() const;
  wire::Payload payload_of(std::shared_ptr<const core::AlignedBuffer> buffer) const;
  Snapshot updated(const Snapshot& old, const wire::ReceivedPayload& update,
                   const algorithm::PushContext& context);

  const wire::Shard shard_;
  const MakeRule make_rule_;
  const std::shared_ptr<BufferPool> pool_;
  const core::World& world_;

  algorithm::ShardRule rule_;  // used by the call whose turn it is

  mutable std::mutex mutex_;  // for decisions; never held during a pass over the values
  Turns<Call> turns_;
  ShardMachine machine_;
  Snapshot snapshot_;  // changed by the call whose turn it is
  double update_seconds_ = 0;
};

}  // namespace sluice::server
