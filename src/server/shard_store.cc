#include "server/shard_store.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "core/clock.h"
#include "server/payload_reader.h"

namespace sluice::server {
namespace {

// 8 KiB each of old values, update and result stay in a first-level cache of 32 KiB together;
// blocks of 32 KiB were a third slower.
constexpr size_t kBlock = 2048;

using SteadyClock = std::chrono::steady_clock;

}  // namespace

ShardStore::ShardStore(const wire::Shard& shard, MakeRule make_rule,
                       std::shared_ptr<BufferPool> pool)
    : shard_(shard), make_rule_(std::move(make_rule)), pool_(std::move(pool)) {
  count_.shard = shard.index;
}

Status ShardStore::assign(const wire::PayloadView& values) {
  if (values.bytes() != shard_.size * sizeof(float)) {
    return invalid_argument(who() + ": expected " + std::to_string(shard_.size * sizeof(float)) +
                            " bytes of values, got " + std::to_string(values.bytes()));
  }
  std::lock_guard lock(mutex_);
  if (count_.version > 0) {
    return {StatusCode::kAlreadyExists,
            who() + ": has had " + std::to_string(count_.version) +
                " pushes, values can be assigned only before the first"};
  }
  if (!rule_) rule_ = make_rule_(shard_.size);
  auto buffer = pool_->take();
  PayloadReader(values).copy(buffer->span().first(shard_.size));
  publish(0, std::move(buffer));
  return ok_status();
}

Result<wire::ExchangeReply> ShardStore::push(const wire::PushHeader& header,
                                             const wire::PayloadView& update) {
  SLUICE_RETURN_IF_ERROR(check(header, update));
  std::lock_guard lock(mutex_);
  const wire::PullReply before = current();
  if (!before.values.owner) return failed_precondition(who() + ": no values assigned yet");
  const PushDecision decision = ledger_.decide(header.id);
  if (decision == PushDecision::kDuplicate) {
    ledger_.fence(header.id.partition, header.id.incarnation);
    ++count_.duplicates;
    return wire::ExchangeReply{{before.version, true}, before};
  }
  if (decision != PushDecision::kApply) return refuse(decision, header.id);

  // Everything that can fail comes before the first change.
  ledger_.reserve(header.id.partition);
  totals_.reserve(header);
  const int64_t staleness = std::max<int64_t>(before.version - header.base_version, 0);
  const PushContext context{before.version, staleness, header.steps, header.worker};
  auto values = updated(before.values.values, update, context);

  ledger_.record(header.id);
  totals_.record(header);
  count_.version = before.version + 1;
  count_.staleness_sum += static_cast<double>(staleness);
  count_.staleness_max = std::max(count_.staleness_max, staleness);
  publish(count_.version, std::move(values));
  return wire::ExchangeReply{{count_.version, false}, current()};
}

Result<wire::PullReply> ShardStore::pull() const {
  wire::PullReply snapshot = current();
  if (!snapshot.values.owner) return failed_precondition(who() + ": no values assigned yet");
  return snapshot;
}

int64_t ShardStore::fence(int64_t partition, int64_t incarnation) {
  std::lock_guard lock(mutex_);
  ledger_.fence(partition, incarnation);
  return ledger_.entry(partition).sequence;
}

ShardStore::Report ShardStore::report() const {
  std::lock_guard lock(mutex_);
  return {count_, totals_, ledger_, update_seconds_};
}

Status ShardStore::check(const wire::PushHeader& header, const wire::PayloadView& update) const {
  if (update.bytes() != shard_.size * sizeof(float)) {
    return invalid_argument(who() + ": expected an update of " +
                            std::to_string(shard_.size * sizeof(float)) + " bytes, got " +
                            std::to_string(update.bytes()));
  }
  const wire::PushIdentity& id = header.id;
  if (id.partition < 0 || id.incarnation < 0 || id.sequence < 1) {
    return invalid_argument(who() + ": a push of partition " + std::to_string(id.partition) +
                            " under incarnation " + std::to_string(id.incarnation) +
                            " with sequence " + std::to_string(id.sequence) + " makes no sense");
  }
  for (const wire::EpochMetrics& metrics : header.metrics) {
    if (metrics.epoch < 0 || metrics.samples < 0) {
      return invalid_argument(who() + ": metrics of a negative epoch or number of samples");
    }
  }
  return ok_status();
}

Status ShardStore::refuse(PushDecision decision, const wire::PushIdentity& id) {
  const PushLedger::Entry entry = ledger_.entry(id.partition);
  const std::string partition = who() + ": partition " + std::to_string(id.partition);
  if (decision == PushDecision::kFenced) {
    ++count_.fenced;
    return {StatusCode::kAborted, partition + " has been taken over under incarnation " +
                                      std::to_string(entry.incarnation) +
                                      "; pushes under incarnation " +
                                      std::to_string(id.incarnation) + " are refused"};
  }
  return {StatusCode::kAborted, partition + " has a gap: push " + std::to_string(id.sequence) +
                                    " came, " + std::to_string(entry.sequence + 1) + " is next"};
}

std::shared_ptr<core::AlignedBuffer> ShardStore::updated(std::span<const float> old_values,
                                                         const wire::PayloadView& update,
                                                         const PushContext& context) {
  const auto start = SteadyClock::now();
  auto result = pool_->take();
  PayloadReader reader(update);
  alignas(64) float scratch[kBlock];
  rule_->begin(context);
  for (size_t offset = 0; offset < shard_.size; offset += kBlock) {
    const size_t n = std::min(kBlock, shard_.size - offset);
    rule_->apply(old_values.subspan(offset, n), reader.next({scratch, n}),
                 result->span().subspan(offset, n), offset, context);
  }
  update_seconds_ += core::to_seconds(SteadyClock::now() - start);
  return result;
}

void ShardStore::publish(int64_t version,
                         std::shared_ptr<const core::AlignedBuffer> values) noexcept {
  const std::span<const float> span = values->span().first(shard_.size);
  wire::PullReply next{version, {std::move(values), span}};
  // What was there before may be freed here: after the lock.
  std::lock_guard lock(snapshot_mutex_);
  std::swap(snapshot_, next);
}

wire::PullReply ShardStore::current() const {
  std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

std::string ShardStore::who() const { return "shard " + std::to_string(shard_.index); }

}  // namespace sluice::server
