#include "server/shard_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "server/guarded.h"
#include "server/payload_reader.h"

namespace sluice::server {
namespace {

// 2048 floats: 8 KiB each of old values, update and result stay in a first-level cache of 32 KiB
// together, and then the result with its old and new averages; blocks of 32 KiB were a third
// slower.
constexpr size_t kBlock = LiveValues::kBlock;

}  // namespace

ShardStore::ShardStore(const wire::Shard& shard, std::span<const int64_t> pushes,
                       MakeRule make_rule, std::shared_ptr<BufferPool> pool,
                       const core::World& world, const algorithm::Algorithm* algorithm,
                       int64_t backups, int64_t owner)
    : shard_(shard),
      make_rule_(std::move(make_rule)),
      pool_(std::move(pool)),
      world_(world),
      algorithm_(algorithm),
      machine_(shard, pushes, {algorithm != nullptr && algorithm->rounds, backups}, owner) {}

ShardStore::~ShardStore() {
  for (Answer& answer : held_) {
    answer.reply(failed_precondition("the server works for another job now"));
  }
}

void ShardStore::assign(wire::ReceivedPayload values, core::Reply<Status> reply) {
  take(Assign{std::move(values), std::move(reply)});
}

void ShardStore::exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                          core::Reply<Result<wire::ExchangeReply>> reply) {
  Push call{{}, std::move(update), std::move(reply)};
  const Status copied = guarded("exchange", [&] {
    call.header = header;
    return ok_status();
  });
  if (!copied.ok()) return call.reply(copied);
  take(std::move(call));
}

void ShardStore::fence(const wire::FenceRequest& request, core::Reply<Result<int64_t>> reply) {
  take(Fence{request, std::move(reply)});
}

void ShardStore::set_gate(const wire::GateRequest& request, core::Reply<Status> reply) {
  take(SetGate{request, std::move(reply)});
}

Result<wire::PullReply> ShardStore::pull(int worker) {
  SLUICE_ASSIGN_OR_RETURN(const Snapshot now, snapshot());
  std::lock_guard lock(mutex_);
  if (worker >= 0 && algorithm_ != nullptr && algorithm_->keeps_bases) {
    given_[worker] = {{}, now};
  }
  return wire::PullReply{now.version, now.values, machine_.gate().floor()};
}

std::string ShardStore::waiting_for() const {
  std::lock_guard lock(mutex_);
  return held_.empty() ? "" : machine_.gate().slowest();
}

Result<wire::PullReply> ShardStore::pull_averages() const {
  SLUICE_ASSIGN_OR_RETURN(const Snapshot now, snapshot());
  if (now.averages.owner) return wire::PullReply{now.version, now.averages};
  return invalid_argument(fmt::format(
      "shard {}: no averages are kept, use_ema is not set in the job's optimizer", shard_.index));
}

Result<ShardStore::Snapshot> ShardStore::snapshot() const {
  {
    std::lock_guard lock(mutex_);
    if (snapshot_.values.owner) return snapshot_;
    if (!live_) {
      return failed_precondition(fmt::format("shard {}: no values assigned yet", shard_.index));
    }
  }
  return copied();
}

// Its version is that of a moment before the first block was copied, so that no push in it counts
// as missing.
Result<ShardStore::Snapshot> ShardStore::copied() const {
  Snapshot copy;
  std::shared_ptr<const LiveValues> live;  // until the first push others may be assigned
  {
    std::lock_guard lock(mutex_);
    copy.version = machine_.values_version();
    live = live_;
  }
  const auto buffer = pool_->take();
  live->copy_to(buffer->span().first(shard_.size));
  copy.values = payload_of(buffer);
  return copy;
}

ShardStore::Report ShardStore::report() const {
  std::lock_guard lock(mutex_);
  return {machine_.count(), machine_.totals(), update_seconds_};
}

std::vector<wire::LedgerReply::PartitionCount> ShardStore::partitions() const {
  std::vector<wire::LedgerReply::PartitionCount> result;
  std::lock_guard lock(mutex_);
  const auto& partitions = machine_.ledger().partitions();
  result.reserve(partitions.size());
  for (const auto& [partition, segments] : partitions) {
    result.push_back({partition, machine_.ledger().count(partition)});
  }
  return result;
}

std::vector<wire::LedgerReply::Trainee> ShardStore::trainees() const {
  const core::TimePoint now = world_.now();
  std::lock_guard lock(mutex_);
  std::vector<wire::LedgerReply::Trainee> result = machine_.gate().report();
  for (const Answer& held : held_) {
    if (machine_.may_answer(held.member, held.clock)) continue;  // in a moment
    for (wire::LedgerReply::Trainee& trainee : result) {
      if (trainee.worker != held.worker) continue;
      trainee.held_s = std::max({trainee.held_s, core::to_seconds(now - held.since), 0.0});
    }
  }
  return result;
}

int64_t ShardStore::floor() const {
  std::lock_guard lock(mutex_);
  return machine_.gate().floor();
}

// Serves the call, or holds it until it is its turn.
void ShardStore::take(Call call) {
  const Result<bool> its_turn = guarded("hold", [&]() -> Result<bool> {
    std::lock_guard lock(mutex_);
    return turns_.arrive(call, beside(call));
  });
  if (!its_turn.ok()) {
    std::visit([&](auto& refused) { refused.reply(its_turn.status()); }, call);
  } else if (*its_turn) {
    serve_turns(std::move(call));
  }
}

// Serves the call, whose turn it is, and then those that are held. If this could throw, the shard
// would be left with a turn that nobody ends.
void ShardStore::serve_turns(Call call) noexcept {
  for (std::optional<Call> next = std::move(call); next;) {
    const auto its_beside = beside(*next);
    std::visit([this](auto& its) { serve(its); }, *next);
    next = finish_turn(its_beside);
  }
}

std::optional<ShardStore::Call> ShardStore::finish_turn(Turns<Call>::Beside beside) {
  std::lock_guard lock(mutex_);
  return turns_.finish(beside);
}

// Pushes of one partition follow one another, or a repetition could be taken for the first time.
Turns<ShardStore::Call>::Beside ShardStore::beside(const Call& call) const {
  const auto* push = std::get_if<Push>(&call);
  if (push == nullptr || !steps_in_place()) return std::nullopt;
  return push->header.id.partition;
}

void ShardStore::serve(Assign& call) {
  const Status status = guarded("assign", [&] { return assign_now(call.values); });
  call.values = {};
  call.reply(status);
}

void ShardStore::serve(Push& call) {
  std::list<Answer> answer;  // its place is made first: nothing may fail once the push is counted
  const Status status = guarded("exchange", [&]() -> Status {
    answer.emplace_back();
    SLUICE_ASSIGN_OR_RETURN(answer.front(), push_now(call));
    return ok_status();
  });
  call.update = {};
  if (!status.ok()) return call.reply(status);
  answer.front().reply = std::move(call.reply);
  {
    std::lock_guard lock(mutex_);
    held_.splice(held_.end(), answer);
  }
  answer_held();
}

void ShardStore::serve(Fence& call) {
  Result<int64_t> result = guarded("fence", [&]() -> Result<int64_t> {
    {
      std::lock_guard lock(mutex_);
      machine_.set_gate(call.request.gate);
    }
    SLUICE_RETURN_IF_ERROR(end_round(/*flush=*/false));
    std::lock_guard lock(mutex_);
    return machine_.fence(call.request);
  });
  call.reply(std::move(result));
  answer_held();
}

void ShardStore::serve(SetGate& call) {
  const Status status = guarded("set_gate", [&] {
    {
      std::lock_guard lock(mutex_);
      machine_.set_gate(call.request.gate);
    }
    return end_round(call.request.flush);
  });
  call.reply(status);
  answer_held();
}

// Answers whoever need not wait any more, outside of the lock. Takes no memory: nobody could be
// told that there is none.
void ShardStore::answer_held() noexcept {
  std::list<Answer> ready;
  {
    std::lock_guard lock(mutex_);
    for (auto next = held_.begin(); next != held_.end();) {
      const auto one = next++;
      if (machine_.may_answer(one->member, one->clock)) ready.splice(ready.end(), held_, one);
    }
  }
  for (Answer& answer : ready) {
    answer.reply(guarded("exchange", [&] { return reply_to(answer); }));
  }
}

Result<wire::ExchangeReply> ShardStore::reply_to(const Answer& answer) {
  Snapshot copy;
  if (live_) {
    SLUICE_ASSIGN_OR_RETURN(copy, copied());
  }
  std::lock_guard lock(mutex_);
  const Snapshot& now = copy.values.owner ? copy : snapshot_;
  const Snapshot& given = answer.given ? *answer.given : now;
  if (!machine_.has_update(answer.id.partition)) {
    return wire::ExchangeReply{{now.version, answer.duplicate},
                               {now.version, {}, machine_.gate().floor()}};
  }
  const bool keeps =
      algorithm_ != nullptr && (algorithm_->keeps_bases || algorithm_->answers_with_old);
  if (keeps) given_[answer.worker] = {answer.id, given};
  return wire::ExchangeReply{{now.version, answer.duplicate},
                             {now.version, given.values, machine_.gate().floor()}};
}

// What the worker was given when its window began, where that is known. With its owner: a worker of
// the same number may be given something else while the push is being applied.
wire::Payload ShardStore::base_of(const wire::PushHeader& header) const {
  const auto given = given_.find(header.worker);
  if (given == given_.end() || given->second.snapshot.version != header.base_version) return {};
  return given->second.snapshot.values;
}

Status ShardStore::assign_now(const wire::ReceivedPayload& values) {
  {
    std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(machine_.assign(values.bytes()));
  }
  if (!rule_.update) rule_ = make_rule_(shard_.size);
  if (steps_in_place()) {
    auto live = std::make_shared<LiveValues>(shard_.size, values);
    std::lock_guard lock(mutex_);
    machine_.assigned();
    std::swap(live_, live);
    return ok_status();
  }
  auto buffer = pool_->take();
  PayloadReader(values).copy(buffer->span().first(shard_.size));
  Snapshot next{.values = payload_of(std::move(buffer))};
  if (rule_.average) next.averages = next.values;
  // What was there before may be freed here: after the lock.
  std::lock_guard lock(mutex_);
  machine_.assigned();
  std::swap(snapshot_, next);
  return ok_status();
}

Result<ShardStore::Answer> ShardStore::push_now(const Push& call) {
  const auto& [header, update, reply] = call;
  using Kind = ShardMachine::PushAction::Kind;
  ShardMachine::PushAction action;
  Snapshot now;
  wire::Payload base;
  Answer answer{.id = header.id,
                .member = header.member,
                .clock = header.clock,
                .worker = header.worker,
                .since = world_.now()};
  const bool with_old = algorithm_ != nullptr && algorithm_->answers_with_old;
  {
    std::lock_guard lock(mutex_);
    SLUICE_ASSIGN_OR_RETURN(action, machine_.push(header, update.bytes()));
    now = snapshot_;
    if (action.kind == Kind::kDuplicate && with_old) {
      // The same as the first time, where this is a repetition.
      const auto given = given_.find(header.worker);
      if (given != given_.end() && given->second.id == header.id) {
        answer.given = given->second.snapshot;
      }
    }
    if (algorithm_ != nullptr && algorithm_->keeps_bases) base = base_of(header);
  }
  answer.duplicate = action.kind == Kind::kDuplicate;
  if (action.kind != Kind::kApply) {
    SLUICE_RETURN_IF_ERROR(end_round(/*flush=*/false));
    return answer;
  }
  if (!action.context.has_update) {
    std::lock_guard lock(mutex_);
    machine_.applied(header, action.context, /*published=*/false, world_.now());
    return answer;
  }
  if (live_) return push_in_place(call, action.context, std::move(answer));
  if (with_old) answer.given = now;
  action.context.base = base.values;

  const core::TimePoint start = world_.now();
  std::optional<Snapshot> next = updated(now, update, action.context);
  const core::TimePoint end = world_.now();
  // `now`, and with it perhaps the old values, is let go after the lock.
  std::lock_guard lock(mutex_);
  machine_.applied(header, action.context, next.has_value(), end);
  if (next) {
    next->version = machine_.values_version();
    std::swap(snapshot_, *next);
  }
  update_seconds_ += core::to_seconds(end - start);
  return answer;
}

// While others do the same.
Result<ShardStore::Answer> ShardStore::push_in_place(const Push& call,
                                                     const algorithm::PushContext& context,
                                                     Answer answer) {
  const core::TimePoint start = world_.now();
  live_->apply(*rule_.update, call.update, context);
  const core::TimePoint end = world_.now();
  std::lock_guard lock(mutex_);
  machine_.applied(call.header, context, /*published=*/true, end);
  update_seconds_ += core::to_seconds(end - start);
  return answer;
}

// Ends the round where no other push will.
Status ShardStore::end_round(bool flush) {
  std::optional<algorithm::PushContext> context;
  Snapshot now;
  {
    std::lock_guard lock(mutex_);
    context = machine_.round_to_end(flush);
    now = snapshot_;
  }
  if (!context) return ok_status();
  std::optional<Snapshot> next = updated(now, {}, *context);
  std::lock_guard lock(mutex_);
  machine_.round_ended(next.has_value());
  if (next) {
    next->version = machine_.values_version();
    std::swap(snapshot_, *next);
  }
  return ok_status();
}

wire::Payload ShardStore::payload_of(std::shared_ptr<const core::AlignedBuffer> buffer) const {
  const std::span<const float> span = buffer->span().first(shard_.size);
  return {std::move(buffer), span};
}

// The values that come of a push; nullopt: the rule keeps it.
std::optional<ShardStore::Snapshot> ShardStore::updated(const Snapshot& old,
                                                        const wire::ReceivedPayload& update,
                                                        const algorithm::PushContext& context) {
  const auto values = pool_->take();
  const auto averages = rule_.average ? pool_->take() : nullptr;
  PayloadReader reader(update);
  alignas(64) float scratch[kBlock];
  const bool publishes = rule_.update->begin(context);
  if (rule_.average && publishes) {
    algorithm::PushContext all = context;  // steps since values came of a push
    all.steps_before = averaged_steps_;
    all.steps = static_cast<int32_t>(context.steps_before + context.steps - averaged_steps_);
    rule_.average->begin(all);
  }
  for (size_t offset = 0; offset < shard_.size; offset += kBlock) {
    const size_t n = std::min(kBlock, shard_.size - offset);
    const std::span<float> block = values->span().subspan(offset, n);
    rule_.update->apply(old.values.values.subspan(offset, n),
                        context.has_update ? reader.next({scratch, n}) : std::span<const float>(),
                        publishes ? block : std::span<float>(), offset, context);
    if (!rule_.average || !publishes) continue;
    rule_.average->apply(block, old.averages.values.subspan(offset, n),
                         averages->span().subspan(offset, n), offset);
  }
  if (!publishes) return std::nullopt;
  averaged_steps_ = context.steps_before + context.steps;
  Snapshot result{0, payload_of(values)};
  if (averages) result.averages = payload_of(averages);
  return result;
}

}  // namespace sluice::server
