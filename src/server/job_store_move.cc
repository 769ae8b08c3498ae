// How JobStore gives its shards to other servers, and begins with those of others.
#include <fmt/core.h>

#include <utility>

#include "server/guarded.h"
#include "server/job_store.h"

namespace sluice::server {

Status JobStore::moved() {
  return {wire::kMoved, "the parameters are cut into other shards, or on other servers, by now"};
}

// For a call of the driver's, which comes again.
Status JobStore::is_open() const {
  if (closed_) return unavailable("the shards have just moved");
  return frozen_for_ == 0 ? ok_status() : unavailable("the shards are about to move");
}

bool JobStore::has_values() const {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (machine_->is_assigned(i)) return true;
  }
  return false;
}

bool JobStore::stands_still_for(int64_t revision) const {
  std::lock_guard lock(mutex_);
  return is_frozen_for(revision).ok();
}

Status JobStore::is_frozen_for(int64_t revision) const {
  if (frozen_for_ == revision && revision > 0) return ok_status();
  return failed_precondition("the shards of this server do not stand still for that move");
}

// --- Giving ---

void JobStore::freeze(int64_t revision, core::Reply<Result<wire::MoveReply>> reply) {
  std::optional<Result<wire::MoveReply>> again;  // the answer was lost
  {
    std::lock_guard lock(mutex_);
    if (is_frozen_for(revision).ok()) again = guarded("freeze", [this] { return describe(); });
  }
  if (again) return reply(*std::move(again));
  take(Freeze{revision, std::move(reply)});
}

// Once it has been answered, another thread may thaw at any time, and end this turn.
void JobStore::serve(Freeze& call) {
  Result<wire::MoveReply> result = guarded("freeze", [&]() -> Result<wire::MoveReply> {
    std::lock_guard lock(mutex_);
    if (call.revision <= thawed_) return cancelled("the shards stay where they are");
    SLUICE_ASSIGN_OR_RETURN(wire::MoveReply reply, describe());
    frozen_for_ = call.revision;
    call.keeps_turn = true;
    return reply;
  });
  call.reply(std::move(result));
}

Result<wire::MoveReply> JobStore::describe() const {
  wire::MoveReply reply{.ledger = machine_->state()};
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (!machine_->is_assigned(i)) return failed_precondition("no values assigned yet");
    Result<wire::ShardState> its = shards_[i].describe();
    if (!its.ok()) {
      return failed_precondition(fmt::format("the shards of trainer {} stay where they are: {}",
                                             algorithm_->name, its.status().message()));
    }
    reply.shards.push_back(*std::move(its));
    machine_->add_state(i, reply.shards.back());
  }
  for (const auto& [key, push] : staged_) {
    if (push.complete()) reply.staged.push_back(key);
  }
  return reply;
}

Result<wire::MoveReply> JobStore::commit(int64_t revision,
                                         const std::vector<wire::Settled>& pushes) {
  return guarded("commit", [&]() -> Result<wire::MoveReply> {
    for (const wire::Settled& settled : pushes) {
      StagedPush* push = nullptr;
      {
        std::lock_guard lock(mutex_);
        SLUICE_RETURN_IF_ERROR(is_frozen_for(revision));
        SLUICE_ASSIGN_OR_RETURN(push, find_staged(settled));
      }
      if (push == nullptr) continue;
      SLUICE_RETURN_IF_ERROR(apply_staged({settled.partition, settled.sequence}, *push));
    }
    std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(is_frozen_for(revision));
    return describe();
  });
}

// Marked as being applied; null: it has been.
Result<StagedPush*> JobStore::find_staged(const wire::Settled& settled) {
  const auto& [partition, sequence, superseded] = settled;
  if (!machine_->has_push(partition, sequence)) return invalid_argument("no push of this job");
  if (machine_->was_counted(partition, sequence)) return nullptr;
  const auto it = staged_.find({partition, sequence});
  if (it == staged_.end() || !it->second.complete()) {
    return failed_precondition(
        fmt::format("push {} of partition {} was not staged at this server", sequence, partition));
  }
  StagedPush& push = it->second;
  if (push.applying) return unavailable("that push is being applied");
  push.applying = true;
  push.header.superseded = superseded;
  // Its lease may have been fenced off here since.
  push.header.id.incarnation =
      std::max(push.header.id.incarnation, machine_->incarnation_of(partition, sequence));
  return &push;
}

// Not even staged: a worker whose push is staged everywhere has others apply it, and this server
// has said by now what it has of it.
bool JobStore::comes_later(const wire::PushHeader& header, wire::ReceivedPayload& update,
                           core::Reply<Result<wire::ExchangeReply>>& reply) {
  if (frozen_for_ == 0 || closed_) return false;
  later_.push_back({header, std::move(update), {}});
  later_.back().reply = std::move(reply);
  return true;
}

void JobStore::thaw(int64_t revision) {
  std::optional<Call> next;
  std::vector<Message> later;
  {
    std::lock_guard lock(mutex_);
    thawed_ = std::max(thawed_, revision);
    if (!is_frozen_for(revision).ok()) return;
    frozen_for_ = 0;
    next = turns_.finish();
    later.swap(later_);
  }
  if (next) serve_turns(*std::move(next));
  for (Message& its : later) its.reply(unavailable("the shards have stayed where they were"));
}

void JobStore::close() { close(moved(), unavailable("the shards have just moved")); }

void JobStore::close(const Status& pushes, const Status& others) {
  std::vector<Call> calls;
  PushAnswers answers;
  std::map<Key, StagedPush> staged;  // freed after the lock
  std::vector<Message> later;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    calls = turns_.drop_held();
    later.swap(later_);
    staged.swap(staged_);
    for (auto& [key, push] : staged) answers.splice(answers.end(), push.waiting);
    answers.splice(answers.end(), held_);
  }
  for (Call& call : calls) {
    std::visit(
        [&](auto& its) {
          if constexpr (requires { its.answer; }) answers.splice(answers.end(), its.answer);
          if constexpr (requires { its.reply; }) its.reply(others);
        },
        call);
  }
  for (PushAnswer& answer : answers) answer.reply(pushes);
  for (Message& its : later) its.reply(pushes);
}

Result<wire::Payload> JobStore::floats(const wire::PullRequest& request) const {
  SLUICE_ASSIGN_OR_RETURN(const size_t place, machine_->place_of(request.shards));
  if (request.shards.count != 1) return invalid_argument("expected one shard");
  if (!request.kept) {
    SLUICE_ASSIGN_OR_RETURN(const std::vector<Snapshot> now, snapshots(place, 1));
    return request.averages ? now[0].averages : now[0].values;
  }
  std::lock_guard lock(mutex_);
  // A rule is read between pushes only.
  if (frozen_for_ == 0) return failed_precondition("the shards of this server do not stand still");
  return shards_[place].kept(*request.kept);
}

TrainingTotals JobStore::totals() const {
  std::lock_guard lock(mutex_);
  return machine_->totals();
}

// --- Taking ---

Status JobStore::adopt(const wire::LedgerState& ledger,
                       std::span<const ShardValues::Adopted> shards, const TrainingTotals& totals) {
  std::vector<wire::ShardState> states;
  for (const ShardValues::Adopted& its : shards) states.push_back(its.state);
  SLUICE_RETURN_IF_ERROR(machine_->adopt(ledger, states, totals));
  for (size_t i = 0; i < shards_.size(); ++i) {
    SLUICE_RETURN_IF_ERROR(shards_[i].adopt(shards[i], steps_in_place()));
  }
  return end_round(/*flush=*/false);  // one that another server has ended
}

}  // namespace sluice::server
