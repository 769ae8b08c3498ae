#include "server/job_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <type_traits>

#include "server/guarded.h"

namespace sluice::server {

JobRules JobRules::of(const wire::CreateRequest& request) {
  const algorithm::ShardRule rule = algorithm::make_shard_rule(request.update_rule, 0);
  const auto make = [text = request.update_rule](const wire::Shard& shard) {
    return algorithm::make_shard_rule(text, shard.size, shard.offset);
  };
  return {make, rule.algorithm, rule.backups};
}

JobStore::JobStore(const wire::CreateRequest& request, JobRules rules,
                   std::shared_ptr<BufferPool> pool, const core::World& world, Crew& crew)
    : request_(request),
      rules_(std::move(rules)),
      algorithm_(rules_.algorithm),
      alone_(request.shard_map.servers() == 1),
      world_(world),
      crew_(crew),
      // Of no map before.
      last_name_(static_cast<uint64_t>(request.revision) << 40),
      thawed_(request.revision) {
  const auto partitions = std::ssize(request_.pushes);
  std::vector<PushMachine::Owned> owned;
  for (const int index : request_.shard_map.owned_by(request_.server)) {
    const wire::Shard& shard = request_.shard_map[index];
    owned.push_back(
        {shard, algorithm_->own_parameters ? request_.shard_map.part_of(index, partitions) : -1});
    shards_.emplace_back(shard, rules_.make, pool);
  }
  machine_.emplace(owned, request_.pushes, Gate(algorithm_->rounds, rules_.backups));
}

JobStore::~JobStore() {
  const Status why = failed_precondition("the server works for another job now");
  close(why, why);
}

void JobStore::assign(wire::ShardRange range, wire::ReceivedPayload values,
                      core::Reply<Status> reply) {
  take(Assign{range, std::move(values), std::move(reply)});
}

void JobStore::exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                        core::Reply<Result<wire::ExchangeReply>> reply) {
  Arrival arrival;
  const Status status = guarded("exchange", [&] {
    std::lock_guard lock(mutex_);
    if (comes_later(header, update, reply)) return ok_status();
    return arrive(header, update, reply, arrival);
  });
  update = {};
  refuse(std::move(arrival.refused));
  if (!status.ok()) return reply(status);
  if (arrival.answer) reply(*std::move(arrival.answer));
  if (arrival.turn) serve_turns(*std::move(arrival.turn));
}

void JobStore::fence(const wire::FenceRequest& request,
                     core::Reply<Result<wire::FenceReply>> reply) {
  take(Fence{request, std::move(reply)});
}

void JobStore::set_gate(const wire::GateRequest& request, core::Reply<Status> reply) {
  take(SetGate{request, std::move(reply)});
}

Result<wire::PullReply> JobStore::pull(const wire::PullRequest& request) {
  if (request.revision != request_.revision) return moved();
  if (request.kept) {
    wire::PullReply reply;
    wire::PullRequest one = request;
    for (one.shards.count = 1; one.shards.first < request.shards.end(); ++one.shards.first) {
      SLUICE_ASSIGN_OR_RETURN(reply.values.emplace_back(), floats(one));
    }
    return reply;
  }
  SLUICE_ASSIGN_OR_RETURN(const size_t place, machine_->place_of(request.shards));
  if (request.wanted) {
    SLUICE_RETURN_IF_ERROR(PushMachine::check_encoding(request.shards, request.wanted->encoding));
  }
  SLUICE_ASSIGN_OR_RETURN(std::vector<Snapshot> now,
                          snapshots(place, static_cast<size_t>(request.shards.count)));
  for (Snapshot& snapshot : now) {
    if (!request.averages) continue;
    if (!snapshot.averages.owner) {
      return invalid_argument(to_text(request.shards) +
                              ": no averages are kept, use_ema is not set in the job's optimizer");
    }
    snapshot.values = snapshot.averages;
  }
  wire::PullReply reply = answer_with(now, place, request.averages ? std::nullopt : request.wanted);
  std::lock_guard lock(mutex_);
  reply.clock = machine_->gate().floor();
  if (request.worker < 0 || request.averages || !algorithm_->keeps_bases) return reply;
  for (size_t i = 0; i < now.size(); ++i) shards_[place + i].given()[request.worker] = {{}, now[i]};
  return reply;
}

// Of values that are stepped in place the version is that of a moment before the first block was
// copied, so that no push in them counts as missing.
Result<std::vector<ShardValues::Snapshot>> JobStore::snapshots(size_t place, size_t count) const {
  std::vector<Snapshot> result;
  result.reserve(count);
  std::vector<std::shared_ptr<const LiveValues>>
      live;  // until the first push others may be assigned
  {
    std::lock_guard lock(mutex_);
    for (size_t i = place; i < place + count; ++i) {
      result.push_back(shards_[i].snapshot());
      result.back().version = machine_->values_version(i);
      live.push_back(shards_[i].live());
      if (result.back().values.owner || live.back()) continue;
      return failed_precondition(
          fmt::format("shard {}: no values assigned yet", shards_[i].shard().index));
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (live[i]) result[i] = shards_[place + i].copied(*live[i], result[i].version);
  }
  return result;
}

wire::LedgerReply JobStore::ledger(bool partitions) const {
  const core::TimePoint now = world_.now();
  std::lock_guard lock(mutex_);
  wire::LedgerReply reply = machine_->counts();
  reply.epochs = machine_->totals().epochs();
  for (const core::TimePoint counted : machine_->totals().counted_at()) {
    reply.epoch_ages_s.push_back(core::to_seconds(now - counted));
  }
  reply.workers = machine_->totals().workers();
  if (partitions) {
    const PushLedger& ledger = machine_->ledger();
    for (const auto& [partition, segments] : ledger.partitions()) {
      reply.partitions.push_back({partition, ledger.count(partition)});
    }
  }
  std::map<int, double> held;
  for (const PushAnswer& answer : held_) {
    if (may_answer(answer)) continue;  // in a moment
    double& longest = held[answer.worker];
    longest = std::max(longest, core::to_seconds(now - answer.since));
  }
  reply.trainees = machine_->gate().report();
  for (wire::LedgerReply::Trainee& trainee : reply.trainees) {
    const auto found = held.find(trainee.worker);
    if (found != held.end()) trainee.held_s = found->second;
  }
  reply.floor = machine_->gate().floor();
  reply.update_seconds = update_seconds_;
  return reply;
}

std::string JobStore::waiting_for() const {
  std::lock_guard lock(mutex_);
  if (frozen_for_ != 0) return "shards to go to other servers";
  return held_.empty() ? "" : machine_->gate().slowest();
}

// --- Turns ---

// Serves the call, or holds it until it is its turn.
void JobStore::take(Call call) {
  const Result<bool> its_turn = guarded("hold", [&]() -> Result<bool> {
    std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(is_open());
    return turns_.arrive(call, beside(call));
  });
  if (!its_turn.ok()) {
    std::visit(
        [&](auto& refused) {
          if constexpr (requires { refused.reply; }) refused.reply(its_turn.status());
        },
        call);
  } else if (*its_turn) {
    serve_turns(std::move(call));
  }
}

// Serves the call, whose turn it is, and then those that are held. If this could throw, the server
// would be left with a turn that nobody ends.
void JobStore::serve_turns(Call call) noexcept {
  for (std::optional<Call> next = std::move(call); next;) {
    const auto its_beside = beside(*next);
    std::visit([this](auto& its) { serve(its); }, *next);
    const auto* freeze = std::get_if<Freeze>(&*next);
    if (freeze != nullptr && freeze->keeps_turn) return;
    next = finish_turn(its_beside);
  }
}

std::optional<JobStore::Call> JobStore::finish_turn(Turns<Call>::Beside beside) {
  std::lock_guard lock(mutex_);
  return turns_.finish(beside);
}

// Pushes of one partition follow one another.
Turns<JobStore::Call>::Beside JobStore::beside(const Call& call) const {
  if (!steps_in_place()) return std::nullopt;
  if (const auto* push = std::get_if<Push>(&call)) return push->key.first;
  if (const auto* repeat = std::get_if<Repeat>(&call)) return repeat->header.id.partition;
  return std::nullopt;
}

void JobStore::serve(Assign& call) {
  const Status status = guarded("assign", [&] { return assign_now(call.range, call.values); });
  call.values = {};
  call.reply(status);
}

void JobStore::serve(Push& call) {
  StagedPush* push = nullptr;
  {
    std::lock_guard lock(mutex_);
    const auto it = staged_.find(call.key);
    // It may have been fenced off, or another may be in its place, since the turn was asked for.
    if (it == staged_.end() || it->second.applying) return;
    push = &it->second;
    push->queued = false;
    if (push->waiting.empty() || !push->complete()) return;
    push->applying = true;  // and it stays where it is
  }
  (void)apply_staged(call.key, *push);
}

// Of a push that is marked as being applied; who waits for it is answered.
Status JobStore::apply_staged(Key key, StagedPush& push) {
  PushAnswer outcome;
  const Status status = guarded("exchange", [&] { return push_now(push, outcome); });
  std::map<Key, StagedPush>::node_type gone;  // freed after the lock
  PushAnswers refused;
  {
    std::lock_guard lock(mutex_);
    push.applying = false;
    if (status.ok()) {
      for (PushAnswer& answer : push.waiting) {
        answer.since = outcome.since;
        answer.duplicate = answer.duplicate || outcome.duplicate;
        answer.superseded = outcome.superseded;
      }
      held_.splice(held_.end(), push.waiting);
    } else {
      refused.splice(refused.end(), push.waiting);
    }
    if (status.ok() || status.code() == StatusCode::kAborted) gone = staged_.extract(key);
  }
  gone = {};
  for (PushAnswer& answer : refused) answer.reply(status);
  answer_held();
  return status;
}

void JobStore::serve(Repeat& call) {
  const Status status = guarded("exchange", [&]() -> Status {
    {
      std::lock_guard lock(mutex_);
      SLUICE_RETURN_IF_ERROR(machine_->push(call.header).status());
      PushAnswer& answer = call.answer.front();
      answer.duplicate = call.header.step != wire::PushStep::kCommit;
      answer.superseded =
          machine_->was_superseded(call.header.id.partition, call.header.id.sequence);
      answer.since = world_.now();
    }
    return end_round(/*flush=*/false);
  });
  if (!status.ok()) return call.answer.front().reply(status);
  {
    std::lock_guard lock(mutex_);
    held_.splice(held_.end(), call.answer);
  }
  answer_held();
}

void JobStore::serve(Fence& call) {
  PushAnswers refused;
  std::vector<std::map<Key, StagedPush>::node_type> dropped;
  Result<wire::FenceReply> result = guarded("fence", [&]() -> Result<wire::FenceReply> {
    {
      std::lock_guard lock(mutex_);
      SLUICE_RETURN_IF_ERROR(set_gate(call.request.gate));
    }
    SLUICE_RETURN_IF_ERROR(end_round(/*flush=*/false));
    std::lock_guard lock(mutex_);
    SLUICE_ASSIGN_OR_RETURN(wire::FenceReply reply, machine_->fence(call.request));
    reply.staged = drop_fenced(call.request, reply.sequence + 1, refused, dropped);
    return reply;
  });
  dropped.clear();
  refuse(std::move(refused));
  call.reply(std::move(result));
  answer_held();
}

void JobStore::serve(SetGate& call) {
  const Status status = guarded("set_gate", [&]() -> Status {
    {
      std::lock_guard lock(mutex_);
      SLUICE_RETURN_IF_ERROR(set_gate(call.request.gate));
    }
    return end_round(call.request.flush);
  });
  call.reply(status);
  answer_held();
}

// --- Answers ---

// Answers whoever need not wait any more, outside of the lock. Takes no memory: nobody could be
// told that there is none.
void JobStore::answer_held() noexcept {
  PushAnswers ready;
  {
    std::lock_guard lock(mutex_);
    for (auto next = held_.begin(); next != held_.end();) {
      const auto one = next++;
      if (may_answer(*one)) ready.splice(ready.end(), held_, one);
    }
  }
  for (PushAnswer& answer : ready) {
    answer.reply(guarded("exchange", [&] { return reply_to(answer); }));
  }
}

// What brings no values lets nobody go on: others' answers to the same push are held.
bool JobStore::may_answer(const PushAnswer& answer) const {
  return answer.shards.count == 0 || machine_->may_answer(answer.member, answer.clock);
}

Result<wire::ExchangeReply> JobStore::reply_to(const PushAnswer& answer) {
  const auto count = static_cast<size_t>(answer.shards.count);
  SLUICE_ASSIGN_OR_RETURN(std::vector<Snapshot> now, snapshots(answer.place, count));
  if (algorithm_->answers_with_old) {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < count; ++i) {
      const std::map<int, ShardValues::Given>& given = shards_[answer.place + i].given();
      const auto before = given.find(answer.worker);
      if (before != given.end() && before->second.id == answer.id) now[i] = before->second.snapshot;
    }
  }
  wire::ExchangeReply reply{.push = {}, .pull = answer_with(now, answer.place, answer.wanted)};
  std::lock_guard lock(mutex_);
  if (count == 0) reply.pull.version = machine_->version();
  reply.pull.clock = machine_->gate().floor();
  for (size_t i = 0; i < count && keeps_given(); ++i) {
    shards_[answer.place + i].given()[answer.worker] = {answer.id, std::move(now[i])};
  }
  reply.push = {reply.pull.version, answer.duplicate, answer.superseded};
  return reply;
}

wire::PullReply JobStore::answer_with(std::vector<Snapshot>& values, size_t place,
                                      const std::optional<wire::Wanted>& wanted) {
  wire::PullReply reply;
  for (const Snapshot& snapshot : values) {
    reply.version =
        reply.values.empty() ? snapshot.version : std::min(reply.version, snapshot.version);
    reply.values.push_back(snapshot.values);
  }
  const bool encodes = wanted && wanted->encoding != compression::Compression();
  if (!encodes || values.size() != 1) return reply;
  const auto holder = [&]() -> HeldValues* {  // nothing is kept of who does not train
    return machine_->gate().trains(wanted->member) ? &shards_[place].held() : nullptr;
  };
  wire::Payload held;
  {
    std::lock_guard lock(mutex_);
    if (HeldValues* const its = holder()) held = its->taken(wanted->member, wanted->holds);
  }
  if (held.owner) {
    auto difference = shards_[place].difference(reply.values.front(), held, wanted->encoding);
    reply.values.clear();
    reply.difference = std::move(difference.sent);
    values.front().values = std::move(difference.held);
  }
  std::lock_guard lock(mutex_);
  if (HeldValues* const its = holder()) {
    reply.held = ++last_name_;
    its->given(wanted->member, reply.held, values.front().values);
  }
  return reply;
}

// With the lock.
Status JobStore::set_gate(const wire::Gate& gate) {
  if (!machine_->set_gate(gate)) return unavailable("the server has not heard who trains");
  if (gate.since > 0) return ok_status();  // nobody has gone
  for (ShardValues& shard : shards_) {
    shard.held().keep([this](int64_t member) { return machine_->gate().trains(member); });
  }
  return ok_status();
}

void JobStore::refuse(PushAnswers refused) {
  for (PushAnswer& answer : refused) {
    answer.reply(guarded("exchange", [&]() -> Status {
      std::lock_guard lock(mutex_);
      return machine_->refuse_fenced(answer.id);
    }));
  }
}

}  // namespace sluice::server
