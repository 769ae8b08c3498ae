// One shard of the parameters at its server: values, their averages where the job keeps some,
// version, rule, and the ledger of its pushes.
//
// The values are an immutable snapshot with a version, and so are their averages. A push writes
// rule(old, update) into another buffer, in one pass over blocks that stay in the cache, and the
// averages into one more, and publishes them together with its entry in the ledger. Whoever pulls
// shares the snapshot: without copying, never torn, and without waiting for a push that is being
// applied. A push that fails, for whatever reason, has changed nothing.
//
// Of an algorithm that steps in place (Hogwild) pushes of different partitions change the values at
// the same time, block by block (live_values.h), and whoever pulls gets a copy.
//
// Pushes, fences and assignments are decided one at a time, in the order in which they came
// (shard_machine.h), so that a fence's answer includes the push that was being applied. No thread
// waits for its turn: a call that comes during another's turn is held with its message and its
// reply, and the thread that ends that turn serves it. Each call is answered exactly once, after
// its turn and outside of the lock; the buffers of its message are released before. The answer to a
// push may be held longer, by the gate (gate.h): until others have got as far, or its round ends.
//
// Errors: those of ShardMachine; RESOURCE_EXHAUSTED when memory runs out, INTERNAL when the rule
// throws. Thread-safe. The caller keeps the store alive until its call returns; for a call that is
// held, the caller of the one that has its turn does.
#pragma once

#include <functional>
#include <list>
#include <map>
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
#include "server/live_values.h"
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
  // `algorithm`: whose rule it is; nullptr: nobody's, as of one without rounds. `backups`: workers
  // that a round does not wait for. `owner`: as ShardMachine's.
  ShardStore(const wire::Shard& shard, std::span<const int64_t> pushes, MakeRule make_rule,
             std::shared_ptr<BufferPool> pool, const core::World& world,
             const algorithm::Algorithm* algorithm = nullptr, int64_t backups = 0,
             int64_t owner = -1);

  void assign(wire::ReceivedPayload values, core::Reply<Status> reply);

  // Applies the push once. The snapshot in the reply is of the version that the push produced; for
  // a duplicate, the present one.
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                core::Reply<Result<wire::ExchangeReply>> reply);

  // As ShardMachine::fence(); first it hears of the gate.
  void fence(const wire::FenceRequest& request, core::Reply<Result<int64_t>> reply);
  // Who trains has changed.
  void set_gate(const wire::GateRequest& request, core::Reply<Status> reply);

  // `worker`: who begins a window with them; -1: nobody.
  Result<wire::PullReply> pull(int worker = -1);
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
  // Who trains, how far each is, and for how long an answer to it has been held.
  std::vector<wire::LedgerReply::Trainee> trainees() const;
  int64_t floor() const;  // the gate's
  // Whom answers are held for; empty: none are held.
  std::string waiting_for() const;

  // Answers what is held.
  ~ShardStore();

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
    wire::FenceRequest request;
    core::Reply<Result<int64_t>> reply;
  };
  struct SetGate {
    wire::GateRequest request;
    core::Reply<Status> reply;
  };
  using Call = std::variant<Assign, Push, Fence, SetGate>;
  struct Snapshot {
    int64_t version = 0;
    wire::Payload values{};
    wire::Payload averages{};  // empty: none are kept
  };
  // The answer to a push that has been counted.
  struct Answer {
    wire::PushIdentity id;
    int64_t member = 0;
    int64_t clock = 0;
    int worker = 0;
    core::TimePoint since{};  // when the push was counted
    bool duplicate = false;
    std::optional<Snapshot> given{};  // else the values when it is answered
    core::Reply<Result<wire::ExchangeReply>> reply{};
  };
  // What a worker was given last.
  struct Given {
    wire::PushIdentity id;  // in answer to this push
    Snapshot snapshot;
  };

  void take(Call call);
  void serve_turns(Call call) noexcept;
  std::optional<Call> finish_turn(Turns<Call>::Beside beside);
  Turns<Call>::Beside beside(const Call& call) const;
  bool steps_in_place() const { return algorithm_ != nullptr && algorithm_->steps_in_place; }
  // At the call's turn.
  void serve(Assign& call);
  void serve(Push& call);
  void serve(Fence& call);
  void serve(SetGate& call);
  Status assign_now(const wire::ReceivedPayload& values);
  Result<Answer> push_now(const Push& call);
  Result<Answer> push_in_place(const Push& call, const algorithm::PushContext& context,
                               Answer answer);
  Status end_round(bool flush);
  void answer_held() noexcept;
  Result<wire::ExchangeReply> reply_to(const Answer& answer);
  wire::Payload base_of(const wire::PushHeader& header) const;
  Result<Snapshot> snapshot() const;
  // Takes a copy of the values that are stepped in place.
  Result<Snapshot> copied() const;
  wire::Payload payload_of(std::shared_ptr<const core::AlignedBuffer> buffer) const;
  std::optional<Snapshot> updated(const Snapshot& old, const wire::ReceivedPayload& update,
                                  const algorithm::PushContext& context);

  const wire::Shard shard_;
  const MakeRule make_rule_;
  const std::shared_ptr<BufferPool> pool_;
  const core::World& world_;

  const algorithm::Algorithm* const algorithm_;
  algorithm::ShardRule rule_;   // used by the call whose turn it is
  int64_t averaged_steps_ = 0;  // that the averages have; likewise

  mutable std::mutex mutex_;  // for decisions; never held during a pass over the values
  Turns<Call> turns_;
  ShardMachine machine_;
  Snapshot snapshot_;  // changed by the call whose turn it is
  std::shared_ptr<LiveValues> live_;  // instead, where the algorithm steps in place
  std::list<Answer> held_;
  std::map<int, Given> given_;  // by worker, of algorithms that ask for it
  double update_seconds_ = 0;
};

}  // namespace sluice::server
