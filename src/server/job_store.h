// What a server keeps of its job: its shards, and the ledger of their pushes.
//
// A push comes in one message or several, each with a piece of it, and is applied as a whole: when
// all pieces are there and somebody has asked for it (staged_push.h). All shards write their new
// values first, on as many cores as have time, and then all are published together with the push's
// entry in the ledger. A push that fails, for whatever reason, has changed nothing; its pieces
// stay, so that it can be asked for again.
//
// Pushes, fences and assignments are decided one at a time, in the order in which they came
// (push_machine.h), so that a fence's answer includes the push that was being applied. No thread
// waits for its turn: a call that comes during another's turn is held with its message and its
// reply, and the thread that ends that turn serves it. Each call is answered exactly once, after
// its turn and outside of the lock; the buffers of its message are released before. The answer to a
// push may be held longer, by the gate (gate.h): until others have got as far, or its round ends.
// Of an algorithm that steps in place pushes of different partitions have their turn at the same
// time.
//
// Errors: those of PushMachine; RESOURCE_EXHAUSTED when memory runs out, INTERNAL when a rule
// throws. Thread-safe. The caller keeps the store alive until its call returns; for a call that is
// held, the caller of the one that has its turn does.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "algorithm/algorithm.h"
#include "core/reply.h"
#include "core/world.h"
#include "server/crew.h"
#include "server/push_machine.h"
#include "server/shard_values.h"
#include "server/staged_push.h"
#include "server/turns.h"
#include "sluice/status.h"
#include "wire/move.h"
#include "wire/parameters.h"

namespace sluice::server {

// What a job's shards do with pushes.
struct JobRules {
  // What CreateRequest::update_rule describes. Throws std::invalid_argument for a rule that there
  // is not.
  static JobRules of(const wire::CreateRequest& request);

  std::function<algorithm::ShardRule(const wire::Shard& shard)> make;
  const algorithm::Algorithm* algorithm = nullptr;
  int64_t backups = 0;  // workers that a round does not wait for
};

class JobStore {
 public:
  // `request` makes sense. The pool's buffers are as large as the largest shard. `world` and `crew`
  // outlive the store.
  JobStore(const wire::CreateRequest& request, JobRules rules, std::shared_ptr<BufferPool> pool,
           const core::World& world, Crew& crew);
  // Answers what is held.
  ~JobStore();

  const wire::CreateRequest& request() const { return request_; }
  size_t shards() const { return shards_.size(); }
  bool has_values() const;
  bool stands_still_for(int64_t revision) const;  // of the next map

  // As wire::ParameterService's, of this job.
  void assign(wire::ShardRange range, wire::ReceivedPayload values, core::Reply<Status> reply);
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                core::Reply<Result<wire::ExchangeReply>> reply);
  Result<wire::PullReply> pull(const wire::PullRequest& request);
  void fence(const wire::FenceRequest& request, core::Reply<Result<wire::FenceReply>> reply);
  void set_gate(const wire::GateRequest& request, core::Reply<Status> reply);
  // Without what is the process's.
  wire::LedgerReply ledger(bool partitions) const;

  // --- Shards that move to other servers (wire/move.h); `revision`: of the next map ---
  // From its turn on nobody else has one: no push is applied. Idempotent.
  void freeze(int64_t revision, core::Reply<Result<wire::MoveReply>> reply);
  // What has been staged is applied nevertheless.
  Result<wire::MoveReply> commit(int64_t revision, const std::vector<wire::Settled>& pushes);
  // Everything is as it was before freeze(), which has no effect any more when it comes late.
  void thaw(int64_t revision);
  // All that is held, and whatever comes, is answered with kMoved; of fences and gates, with
  // UNAVAILABLE.
  void close();
  // Goes on from there, before any call: what its shards are of the map before, `shards` by place,
  // and what was counted of training. INVALID_ARGUMENT: of another job. Throws what rules throw.
  Status adopt(const wire::LedgerState& ledger, std::span<const ShardValues::Adopted> shards,
               const TrainingTotals& totals);
  // Of one shard, while it is frozen: its values, their averages, or what else is kept.
  Result<wire::Payload> floats(const wire::PullRequest& request) const;
  TrainingTotals totals() const;

  // Whom answers are held for; empty: none are held.
  std::string waiting_for() const;

 private:
  using Key = std::pair<int64_t, int64_t>;  // partition, sequence
  using Snapshot = ShardValues::Snapshot;

  struct Assign {
    wire::ShardRange range;
    wire::ReceivedPayload values;
    core::Reply<Status> reply;
  };
  struct Push {  // one of staged_
    Key key;
  };
  struct Repeat {  // of a push that has been counted
    wire::PushHeader header;
    PushAnswers answer;
  };
  struct Fence {
    wire::FenceRequest request;
    core::Reply<Result<wire::FenceReply>> reply;
  };
  struct SetGate {
    wire::GateRequest request;
    core::Reply<Status> reply;
  };
  struct Freeze {
    int64_t revision;
    core::Reply<Result<wire::MoveReply>> reply;
    bool keeps_turn = false;  // until thaw()
  };
  using Call = std::variant<Assign, Push, Repeat, Fence, SetGate, Freeze>;
  struct Message {  // of a push, which came while everything stood still
    wire::PushHeader header;
    wire::ReceivedPayload update;
    core::Reply<Result<wire::ExchangeReply>> reply;
  };
  // What answers a message at once, or goes on.
  struct Arrival {
    std::optional<wire::ExchangeReply> answer{};
    std::optional<Call> turn{};  // its turn, which it is
    PushAnswers refused{};       // of a lease that is over
    StagedPush replaced{};       // freed after the lock
  };

  bool steps_in_place() const { return algorithm_->steps_in_place; }
  bool keeps_given() const { return algorithm_->keeps_bases || algorithm_->answers_with_old; }

  // --- Messages of pushes; with the lock (job_store_staging.cc) ---
  Status arrive(const wire::PushHeader& header, wire::ReceivedPayload& update,
                core::Reply<Result<wire::ExchangeReply>>& reply, Arrival& arrival);
  Result<StagedPush*> entry_of(const wire::PushHeader& header, Arrival& arrival);
  StagedPush new_entry(const wire::PushHeader& header) const;
  bool take_pieces(const wire::PushHeader& header, size_t place, wire::ReceivedPayload& update,
                   StagedPush& push);
  PushAnswers answer_to(const wire::PushHeader& header, size_t place) const;
  // Those of the interval are of no lease any more. Whether the push `next` is kept complete.
  bool drop_fenced(const wire::FenceRequest& request, int64_t next, PushAnswers& refused,
                   std::vector<std::map<Key, StagedPush>::node_type>& dropped);

  // --- Turns ---
  void take(Call call);
  void serve_turns(Call call) noexcept;
  std::optional<Call> finish_turn(Turns<Call>::Beside beside);
  Turns<Call>::Beside beside(const Call& call) const;
  void serve(Assign& call);
  void serve(Push& call);
  void serve(Repeat& call);
  void serve(Fence& call);
  void serve(SetGate& call);
  void serve(Freeze& call);
  Status apply_staged(Key key, StagedPush& push);

  // Everything that is held is answered so.
  void close(const Status& pushes, const Status& others);

  // --- Shards that move; with the lock (job_store_move.cc) ---
  Result<wire::MoveReply> describe() const;
  Status is_frozen_for(int64_t revision) const;
  Result<StagedPush*> find_staged(const wire::Settled& settled);
  Status is_open() const;
  bool comes_later(const wire::PushHeader& header, wire::ReceivedPayload& update,
                   core::Reply<Result<wire::ExchangeReply>>& reply);
  static Status moved();

  // --- At a turn, without the lock ---
  Status assign_now(wire::ShardRange range, const wire::ReceivedPayload& values);
  Status push_now(StagedPush& push, PushAnswer& outcome);
  // Of the shards at these places.
  void step_shards(const StagedPush& push, const std::vector<size_t>& places,
                   std::vector<ShardValues::Step>& steps);
  // Calls work() with each of them, on the cores that have time.
  template <typename Work>
  void spread(const std::vector<size_t>& places, Work work);
  Status end_round(bool flush);

  // --- Answers ---
  void answer_held() noexcept;
  bool may_answer(const PushAnswer& answer) const;  // with the lock
  Result<wire::ExchangeReply> reply_to(const PushAnswer& answer);
  // Of shards from `place` on, as they are.
  Result<std::vector<Snapshot>> snapshots(size_t place, size_t count) const;
  // An answer with these values. Where a difference is wanted they are replaced by what the caller
  // holds when it has taken that.
  wire::PullReply answer_with(std::vector<Snapshot>& values, size_t place,
                              const std::optional<wire::Wanted>& wanted);
  Status set_gate(const wire::Gate& gate);
  void refuse(PushAnswers refused);

  const wire::CreateRequest request_;
  const JobRules rules_;
  const algorithm::Algorithm* const algorithm_;
  const bool alone_;  // there is no other server
  const core::World& world_;
  Crew& crew_;

  mutable std::mutex mutex_;  // for decisions; never held during a pass over the values
  Turns<Call> turns_;
  std::optional<PushMachine> machine_;  // always there
  std::vector<ShardValues> shards_;     // by place
  std::map<Key, StagedPush> staged_;
  PushAnswers held_;
  uint64_t last_name_;  // of what a caller holds
  double update_seconds_ = 0;
  // The revision of the next map that the shards are to go to: they stand still for it. And of the
  // last one that they are of, or have not gone to after all: what is said of it comes late.
  int64_t frozen_for_ = 0, thawed_;
  std::vector<Message> later_;
  bool closed_ = false;
};

}  // namespace sluice::server
