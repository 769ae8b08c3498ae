#include "server/shard_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "server/guarded.h"
#include "server/payload_reader.h"

namespace sluice::server {
namespace {

// 8 KiB each of old values, update and result stay in a first-level cache of 32 KiB together, and
// then the result with its old and new averages; blocks of 32 KiB were a third slower.
constexpr size_t kBlock = 2048;

}  // namespace

ShardStore::ShardStore(const wire::Shard& shard, std::span<const int64_t> pushes,
                       MakeRule make_rule, std::shared_ptr<BufferPool> pool,
                       const core::World& world)
    : shard_(shard),
      make_rule_(std::move(make_rule)),
      pool_(std::move(pool)),
      world_(world),
      machine_(shard, pushes) {}

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

void ShardStore::fence(int64_t partition, int64_t incarnation, core::Reply<Result<int64_t>> reply) {
  take(Fence{partition, incarnation, std::move(reply)});
}

Result<wire::PullReply> ShardStore::pull() const {
  SLUICE_ASSIGN_OR_RETURN(const Snapshot now, snapshot());
  return wire::PullReply{now.version, now.values};
}

Result<wire::PullReply> ShardStore::pull_averages() const {
  SLUICE_ASSIGN_OR_RETURN(const Snapshot now, snapshot());
  if (now.averages.owner) return wire::PullReply{now.version, now.averages};
  return invalid_argument(fmt::format(
      "shard {}: no averages are kept, use_ema is not set in the job's optimizer", shard_.index));
}

Result<ShardStore::Snapshot> ShardStore::snapshot() const {
  std::lock_guard lock(mutex_);
  if (snapshot_.values.owner) return snapshot_;
  return failed_precondition(fmt::format("shard {}: no values assigned yet", shard_.index));
}

ShardStore::Report ShardStore::report() const {
  std::lock_guard lock(mutex_);
  return {machine_.count(), machine_.totals(), update_seconds_};
}

std::vector<wire::LedgerReply::PartitionCount> ShardStore::partitions() const {
  std::vector<wire::LedgerReply::PartitionCount> result;
  std::lock_guard lock(mutex_);
  const auto& entries = machine_.ledger().entries();
  result.reserve(entries.size());
  for (const auto& [partition, entry] : entries) {
    result.push_back({partition, entry.sequence});
  }
  return result;
}

// Serves the call, or holds it until it is its turn.
void ShardStore::take(Call call) {
  const Result<bool> its_turn = guarded("hold", [&]() -> Result<bool> {
    std::lock_guard lock(mutex_);
    return turns_.arrive(call);
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
  for (std::optional<Call> next = std::move(call); next; next = finish_turn()) {
    std::visit([this](auto& its) { serve(its); }, *next);
  }
}

std::optional<ShardStore::Call> ShardStore::finish_turn() {
  std::lock_guard lock(mutex_);
  return turns_.finish();
}

void ShardStore::serve(Assign& call) {
  const Status status = guarded("assign", [&] { return assign_now(call.values); });
  call.values = {};
  call.reply(status);
}

void ShardStore::serve(Push& call) {
  Result<wire::ExchangeReply> result =
      guarded("exchange", [&] { return push_now(call.header, call.update); });
  call.update = {};
  call.reply(std::move(result));
}

void ShardStore::serve(Fence& call) {
  Result<int64_t> result = guarded("fence", [&] {
    std::lock_guard lock(mutex_);
    return machine_.fence(call.partition, call.incarnation);
  });
  call.reply(std::move(result));
}

Status ShardStore::assign_now(const wire::ReceivedPayload& values) {
  {
    std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(machine_.assign(values.bytes()));
  }
  if (!rule_.update) rule_ = make_rule_(shard_.size);
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

Result<wire::ExchangeReply> ShardStore::push_now(const wire::PushHeader& header,
                                                 const wire::ReceivedPayload& update) {
  using Kind = ShardMachine::PushAction::Kind;
  ShardMachine::PushAction action;
  Snapshot now;
  {
    std::lock_guard lock(mutex_);
    SLUICE_ASSIGN_OR_RETURN(action, machine_.push(header, update.bytes()));
    now = snapshot_;
  }
  if (action.kind == Kind::kDuplicate) {
    return wire::ExchangeReply{{now.version, true}, {now.version, now.values}};
  }

  const core::TimePoint start = world_.now();
  const Snapshot next = updated(now, update, action.context);
  const core::TimePoint end = world_.now();
  // `now`, and with it perhaps the old values, is let go after the lock.
  std::lock_guard lock(mutex_);
  machine_.applied(header, end);
  snapshot_ = next;
  update_seconds_ += core::to_seconds(end - start);
  return wire::ExchangeReply{{next.version, false}, {next.version, next.values}};
}

wire::Payload ShardStore::payload_of(std::shared_ptr<const core::AlignedBuffer> buffer) const {
  const std::span<const float> span = buffer->span().first(shard_.size);
  return {std::move(buffer), span};
}

ShardStore::Snapshot ShardStore::updated(const Snapshot& old, const wire::ReceivedPayload& update,
                                         const algorithm::PushContext& context) {
  const auto values = pool_->take();
  const auto averages = rule_.average ? pool_->take() : nullptr;
  PayloadReader reader(update);
  alignas(64) float scratch[kBlock];
  rule_.update->begin(context);
  if (rule_.average) rule_.average->begin(context);
  for (size_t offset = 0; offset < shard_.size; offset += kBlock) {
    const size_t n = std::min(kBlock, shard_.size - offset);
    const std::span<float> block = values->span().subspan(offset, n);
    rule_.update->apply(old.values.values.subspan(offset, n), reader.next({scratch, n}), block,
                        offset, context);
    if (!rule_.average) continue;
    rule_.average->apply(block, old.averages.values.subspan(offset, n),
                         averages->span().subspan(offset, n), offset);
  }
  Snapshot result{old.version + 1, payload_of(values)};
  if (averages) result.averages = payload_of(averages);
  return result;
}

}  // namespace sluice::server
