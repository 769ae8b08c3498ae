#include "server/shard_machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "server/limits.h"

namespace sluice::server {
namespace {

// Not the sums: they are only shown, and the loss of a training that diverges is no number.
bool makes_sense(const wire::EpochMetrics& metrics) {
  return metrics.epoch >= 0 && metrics.epoch < kMostEpochs && metrics.samples >= 0 &&
         metrics.samples <= kMostSamples && metrics.counters.size() <= wire::kMostCounters;
}

bool is_incarnation(int64_t incarnation) {
  return incarnation >= 0 && incarnation <= kMostIncarnations;
}

}  // namespace

ShardMachine::ShardMachine(const wire::Shard& shard, std::span<const int64_t> pushes, Gate gate,
                           int64_t owner)
    : shard_(shard),
      pushes_(pushes),
      owner_(owner),
      ledger_(pushes),
      gate_(std::move(gate)),
      all_pushes_(std::accumulate(pushes.begin(), pushes.end(), int64_t{0})) {
  count_.shard = shard.index;
}

Status ShardMachine::assign(size_t bytes) const {
  SLUICE_RETURN_IF_ERROR(check_size("values", bytes, shard_.size * sizeof(float)));
  if (count_.version == 0) return ok_status();
  return {StatusCode::kAlreadyExists,
          fmt::format("{}: has had {} pushes, values can be assigned only before the first", who(),
                      count_.version)};
}

Result<ShardMachine::PushAction> ShardMachine::push(const wire::PushHeader& header, size_t bytes) {
  SLUICE_RETURN_IF_ERROR(check(header, bytes));
  if (!assigned_) return failed_precondition(who() + ": no values assigned yet");
  const PushDecision decision = ledger_.decide(header.id);
  PushAction action{PushAction::Kind::kApply, context_of(header)};
  if (decision == PushDecision::kDuplicate) {
    ledger_.raise(header.id);
    ++count_.duplicates;
    gate_.count(header.member, header.clock);
    action.kind = PushAction::Kind::kDuplicate;
    return action;
  }
  if (decision != PushDecision::kApply) return refuse(decision, header.id);
  // Everything that can fail comes before the first change.
  ledger_.reserve(header.id.partition);
  totals_.reserve(header);
  if (gate_.is_superseded(header.member, header.clock)) {
    action.kind = PushAction::Kind::kSuperseded;
    totals_.record_superseded(header);
    ++count_.superseded;
    count(header);
  }
  return action;
}

algorithm::PushContext ShardMachine::context_of(const wire::PushHeader& header) const {
  algorithm::PushContext context;
  context.version = count_.version;
  context.has_update = has_update(header.id.partition);
  if (context.has_update) {
    context.staleness = std::max<int64_t>(values_version_ - header.base_version, 0);
  }
  context.steps = header.steps;
  context.worker = header.worker;
  context.steps_before = steps_;
  context.workers = owner_ < 0 ? std::max(gate_.trainees(), 1) : 1;
  context.learning_rate = header.learning_rate;
  context.optimizer_rate = header.optimizer_rate;
  context.rate_scale = header.rate_scale;
  context.last = count_.version + 1 == all_pushes_;
  context.closes =
      gate_.would_end_round(header.member, header.clock) || (context.last && gate_.has_rounds());
  return context;
}

void ShardMachine::count(const wire::PushHeader& header) noexcept {
  ledger_.record(header.id);
  gate_.count(header.member, header.clock);
  ++count_.version;
}

void ShardMachine::applied(const wire::PushHeader& header, const algorithm::PushContext& context,
                           bool published, core::TimePoint now) noexcept {
  totals_.record(header, now);
  count_.staleness_sum += static_cast<double>(context.staleness);
  count_.staleness_max = std::max(count_.staleness_max, context.staleness);
  count(header);
  steps_ += header.steps;
  if (context.has_update) ++kept_;
  if (context.closes) gate_.end_round();
  if (!published) return;
  values_version_ = count_.version;
  kept_ = 0;
}

std::optional<algorithm::PushContext> ShardMachine::round_to_end(bool flush) {
  // Nobody would end a round that has the job's last pushes.
  const bool ends = gate_.round_is_complete() || count_.version == all_pushes_;
  if (!ends && !flush) return std::nullopt;
  if (kept_ == 0) {
    // All who pushed to it brought what their predecessors had brought.
    gate_.end_round();
    return std::nullopt;
  }
  algorithm::PushContext context;
  context.version = count_.version;
  context.steps_before = steps_;
  context.workers = std::max(gate_.trainees(), 1);
  context.has_update = false;
  context.closes = context.last = true;
  return context;
}

void ShardMachine::round_ended(bool published) noexcept {
  gate_.end_round();
  kept_ = 0;
  if (published) values_version_ = count_.version;
}

Result<int64_t> ShardMachine::fence(const wire::FenceRequest& request) {
  const int64_t partition = request.partition;
  const bool sensible = has_partition(partition) && is_incarnation(request.incarnation) &&
                        request.first >= 1 && request.first <= request.last &&
                        request.last <= pushes_[static_cast<size_t>(partition)];
  if (!sensible) {
    return invalid_argument(
        fmt::format("cannot fence pushes {} to {} of partition {} of {} at incarnation {}",
                    request.first, request.last, partition, pushes_.size(), request.incarnation));
  }
  if (!ledger_.fence(partition, request.incarnation, request.first, request.last)) {
    return Status(
        StatusCode::kResourceExhausted,
        fmt::format("{}: its ledger is in more than {} pieces", who(), PushLedger::kMostCuts));
  }
  return ledger_.applied(partition, request.first, request.last);
}

Status ShardMachine::check(const wire::PushHeader& header, size_t bytes) const {
  SLUICE_RETURN_IF_ERROR(check_identity(header.id));
  const size_t expected = has_update(header.id.partition) ? shard_.size * sizeof(float) : 0;
  SLUICE_RETURN_IF_ERROR(check_size("an update", bytes, expected));
  if (header.base_version < 0 || header.base_version > count_.version) {
    return invalid_argument(
        fmt::format("{}: a push that started from version {}, the shard is at version {}", who(),
                    header.base_version, count_.version));
  }
  return check_metrics(header);
}

Status ShardMachine::check_size(const char* what, size_t bytes, size_t expected) const {
  if (bytes == expected) return ok_status();
  return invalid_argument(
      fmt::format("{}: expected {} of {} bytes, got {}", who(), what, expected, bytes));
}

Status ShardMachine::check_identity(const wire::PushIdentity& id) const {
  if (!has_partition(id.partition)) {
    return invalid_argument(fmt::format("{}: a push of partition {}, the job has {}", who(),
                                        id.partition, pushes_.size()));
  }
  const int64_t most = pushes_[static_cast<size_t>(id.partition)];
  if (is_incarnation(id.incarnation) && id.sequence >= 1 && id.sequence <= most) {
    return ok_status();
  }
  return invalid_argument(
      fmt::format("{}: push {} of partition {} under incarnation {} makes no sense, there are {}",
                  who(), id.sequence, id.partition, id.incarnation, most));
}

Status ShardMachine::check_metrics(const wire::PushHeader& header) const {
  if (header.worker < 0 || header.worker >= kMostWorkers || header.steps < 0 || header.clock < 0 ||
      header.clock > kMostWindows) {
    return invalid_argument(
        fmt::format("{}: a push of {} steps by worker {}, its window {}, makes no sense", who(),
                    header.steps, header.worker, header.clock));
  }
  for (const double rate :
       {static_cast<double>(header.optimizer_rate.value_or(0)), header.rate_scale}) {
    if (std::isfinite(rate) && rate >= 0) continue;
    return invalid_argument(
        fmt::format("{}: a push with learning rate {} makes no sense", who(), rate));
  }
  for (const wire::EpochMetrics& metrics : header.metrics) {
    if (makes_sense(metrics)) continue;
    return invalid_argument(
        fmt::format("{}: metrics of epoch {} that make no sense: {} samples, {} counters", who(),
                    metrics.epoch, metrics.samples, metrics.counters.size()));
  }
  return ok_status();
}

Status ShardMachine::refuse(PushDecision decision, const wire::PushIdentity& id) {
  const PushLedger::Segment segment = ledger_.segment(id.partition, id.sequence);
  const std::string partition = fmt::format("{}: partition {}", who(), id.partition);
  if (decision == PushDecision::kFenced) {
    ++count_.fenced;
    return {
        StatusCode::kAborted,
        fmt::format(
            "{} has been taken over under incarnation {}; pushes under incarnation {} are refused",
            partition, segment.incarnation, id.incarnation)};
  }
  return {StatusCode::kAborted, fmt::format("{} has a gap: push {} came, {} is next", partition,
                                            id.sequence, segment.applied + 1)};
}

bool ShardMachine::has_partition(int64_t partition) const {
  return partition >= 0 && static_cast<uint64_t>(partition) < pushes_.size();
}

std::string ShardMachine::who() const { return fmt::format("shard {}", shard_.index); }

}  // namespace sluice::server
