#include "server/push_machine.h"

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

PushMachine::PushMachine(const std::vector<Owned>& shards, std::span<const int64_t> pushes,
                         Gate gate)
    : pushes_(pushes),
      ledger_(pushes),
      gate_(std::move(gate)),
      all_pushes_(std::accumulate(pushes.begin(), pushes.end(), int64_t{0})) {
  for (const auto& [shard, owner] : shards) shards_.push_back({.shard = shard, .owner = owner});
  counts_.shards = static_cast<int>(shards.size());
}

Result<size_t> PushMachine::place_of(wire::ShardRange range) const {
  if (range.count == 0) return size_t{0};
  const auto first = std::ranges::lower_bound(shards_, range.first, {},
                                              [](const Shard& shard) { return shard.shard.index; });
  const auto place = static_cast<size_t>(first - shards_.begin());
  const auto count = static_cast<size_t>(range.count);
  const bool owned = range.first >= 0 && range.count > 0 && place < shards_.size() &&
                     count <= shards_.size() - place && shards_[place].shard.index == range.first &&
                     shards_[place + count - 1].shard.index - range.first == range.count - 1;
  if (owned) return place;
  return not_found(to_text(range) + ": not of this server");
}

size_t PushMachine::bytes_of(size_t place, wire::ShardRange range) const {
  if (range.count == 0) return 0;
  const wire::Shard& last = shards_[place + static_cast<size_t>(range.count) - 1].shard;
  return (last.offset + last.size - shards_[place].shard.offset) * sizeof(float);
}

Status PushMachine::assign(wire::ShardRange range, size_t bytes) const {
  SLUICE_ASSIGN_OR_RETURN(const size_t place, place_of(range));
  SLUICE_RETURN_IF_ERROR(check_size("values", range, bytes, bytes_of(place, range)));
  if (counts_.version == 0) return ok_status();
  return {StatusCode::kAlreadyExists,
          fmt::format("{}: there have been {} pushes, values can be assigned only before the first",
                      to_text(range), counts_.version)};
}

Result<bool> PushMachine::arrive(const wire::PushHeader& header, size_t bytes) {
  SLUICE_RETURN_IF_ERROR(check(header, bytes));
  const auto missing = std::ranges::find(shards_, false, &Shard::assigned);
  if (missing != shards_.end()) {
    return failed_precondition(
        fmt::format("shard {}: no values assigned yet", missing->shard.index));
  }
  const PushDecision decision = ledger_.decide(header.id);
  if (decision == PushDecision::kFenced || decision == PushDecision::kGap) {
    return refuse(decision, header.id);
  }
  ledger_.raise(header.id);
  return decision == PushDecision::kDuplicate;
}

Result<PushMachine::Became> PushMachine::push(const wire::PushHeader& header) {
  const PushDecision decision = ledger_.decide(header.id);
  if (decision == PushDecision::kDuplicate) {
    if (header.step != wire::PushStep::kCommit) ++counts_.duplicates;
    gate_.count(header.member, header.clock);
    return Became::kDuplicate;
  }
  if (decision != PushDecision::kApply) return refuse(decision, header.id);
  // Everything that can fail comes before the first change.
  ledger_.reserve(header.id.partition);
  totals_.reserve(header);
  if (!header.superseded.value_or(gate_.is_superseded(header.member, header.clock))) {
    return Became::kApply;
  }
  superseded_.insert({header.id.partition, header.id.sequence});
  totals_.record_superseded(header);
  ++counts_.superseded;
  count(header);
  return Became::kSuperseded;
}

algorithm::PushContext PushMachine::context_of(const wire::PushHeader& header, size_t shard,
                                               int64_t base_version) const {
  const Shard& its = shards_[shard];
  algorithm::PushContext context;
  context.version = counts_.version;
  context.has_update = has_update(shard, header.id.partition);
  if (context.has_update) {
    context.staleness = std::max<int64_t>(its.values_version - base_version, 0);
  }
  context.steps = header.steps;
  context.worker = header.worker;
  context.steps_before = its.steps;
  context.workers = its.owner < 0 ? std::max(gate_.trainees(), 1) : 1;
  context.learning_rate = header.learning_rate;
  context.optimizer_rate = header.optimizer_rate;
  context.rate_scale = header.rate_scale;
  context.last = counts_.version + 1 == all_pushes_;
  context.closes =
      gate_.would_end_round(header.member, header.clock) || (context.last && gate_.has_rounds());
  return context;
}

void PushMachine::count(const wire::PushHeader& header) noexcept {
  ledger_.record(header.id);
  gate_.count(header.member, header.clock);
  ++counts_.version;
}

void PushMachine::applied(const wire::PushHeader& header, int64_t staleness, bool closes,
                          std::span<const char> published, core::TimePoint now) noexcept {
  totals_.record(header, now);
  counts_.staleness_sum += static_cast<double>(staleness);
  counts_.staleness_max = std::max(counts_.staleness_max, staleness);
  count(header);
  if (closes) gate_.end_round();
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (!has_update(i, header.id.partition)) continue;
    Shard& shard = shards_[i];
    shard.steps += header.steps;
    ++shard.kept;
    if (published[i] == 0) continue;
    shard.values_version = counts_.version;
    shard.kept = 0;
  }
}

// Nobody would end a round that has the job's last pushes.
bool PushMachine::round_ends(bool flush) const {
  return flush || gate_.round_is_complete() || counts_.version == all_pushes_;
}

algorithm::PushContext PushMachine::closing_context(size_t shard) const {
  algorithm::PushContext context;
  context.version = counts_.version;
  context.steps_before = shards_[shard].steps;
  context.workers = std::max(gate_.trainees(), 1);
  context.has_update = false;
  context.closes = context.last = true;
  return context;
}

void PushMachine::round_ended(std::span<const char> published) noexcept {
  gate_.end_round();
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].kept = 0;
    if (published[i] != 0) shards_[i].values_version = counts_.version;
  }
}

Result<wire::FenceReply> PushMachine::fence(const wire::FenceRequest& request) {
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
        fmt::format("the server's ledger is in more than {} pieces", PushLedger::kMostCuts));
  }
  wire::FenceReply reply;
  reply.sequence = ledger_.applied(partition, request.first, request.last);
  reply.superseded = was_superseded(partition, reply.sequence);
  return reply;
}

bool PushMachine::was_counted(int64_t partition, int64_t sequence) const {
  return sequence <= ledger_.segment(partition, sequence).applied;
}

wire::LedgerState PushMachine::state() const {
  wire::LedgerState state;
  ledger_.add_state(state);
  state.superseded.assign(superseded_.begin(), superseded_.end());
  gate_.add_state(state);
  state.counts = counts_;
  return state;
}

void PushMachine::add_state(size_t shard, wire::ShardState& state) const {
  const Shard& its = shards_[shard];
  state.values_version = its.values_version;
  state.kept = its.kept;
  state.steps = its.steps;
}

Status PushMachine::adopt(const wire::LedgerState& ledger, std::span<const wire::ShardState> shards,
                          const TrainingTotals& totals) {
  SLUICE_RETURN_IF_ERROR(ledger_.adopt(ledger));
  superseded_ = {ledger.superseded.begin(), ledger.superseded.end()};
  gate_.adopt(ledger);
  const int own = counts_.shards;
  counts_ = ledger.counts;
  counts_.shards = own;
  totals_ = totals;
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].assigned = true;
    shards_[i].values_version = shards[i].values_version;
    shards_[i].kept = shards[i].kept;
    shards_[i].steps = shards[i].steps;
  }
  return ok_status();
}

Status PushMachine::check(const wire::PushHeader& header, size_t bytes) const {
  SLUICE_RETURN_IF_ERROR(check_identity(header.id));
  SLUICE_ASSIGN_OR_RETURN(const size_t place, place_of(header.shards));
  for (size_t i = 0; i < static_cast<size_t>(header.shards.count); ++i) {
    if (has_update(place + i, header.id.partition)) continue;
    return invalid_argument(fmt::format("shard {}: pushes of partition {} have nothing for it",
                                        shards_[place + i].shard.index, header.id.partition));
  }
  const bool brings = header.step != wire::PushStep::kCommit;
  SLUICE_RETURN_IF_ERROR(check_encoding(header.shards, header.encoding));
  if (header.wanted) SLUICE_RETURN_IF_ERROR(check_encoding(header.shards, header.wanted->encoding));
  const size_t expected =
      header.encoding == compression::Compression()
          ? bytes_of(place, header.shards)
          : compression::encoded_bytes(header.encoding, shards_[place].shard.size);
  SLUICE_RETURN_IF_ERROR(check_size("an update", header.shards, bytes, brings ? expected : 0));
  if (brings && (header.base_version < 0 || header.base_version > counts_.version)) {
    return invalid_argument(
        fmt::format("{}: a push that started from version {}, the server is at version {}",
                    to_text(header.shards), header.base_version, counts_.version));
  }
  return check_metrics(header);
}

Status PushMachine::check_size(const char* what, wire::ShardRange range, size_t bytes,
                               size_t expected) const {
  if (bytes == expected) return ok_status();
  return invalid_argument(
      fmt::format("{}: expected {} of {} bytes, got {}", to_text(range), what, expected, bytes));
}

Status PushMachine::check_encoding(wire::ShardRange range,
                                   const compression::Compression& encoding) {
  if (!encoding.is_valid()) return invalid_argument(to_text(range) + ": in no known encoding");
  if (encoding == compression::Compression() || range.count == 1) return ok_status();
  return invalid_argument(to_text(range) + ": only one shard at a time is encoded");
}

Status PushMachine::check_identity(const wire::PushIdentity& id) const {
  if (!has_partition(id.partition)) {
    return invalid_argument(
        fmt::format("a push of partition {}, the job has {}", id.partition, pushes_.size()));
  }
  const int64_t most = pushes_[static_cast<size_t>(id.partition)];
  if (is_incarnation(id.incarnation) && id.sequence >= 1 && id.sequence <= most) {
    return ok_status();
  }
  return invalid_argument(
      fmt::format("push {} of partition {} under incarnation {} makes no sense, there are {}",
                  id.sequence, id.partition, id.incarnation, most));
}

Status PushMachine::check_metrics(const wire::PushHeader& header) const {
  if (header.worker < 0 || header.worker >= kMostWorkers || header.steps < 0 || header.clock < 0 ||
      header.clock > kMostWindows) {
    return invalid_argument(
        fmt::format("a push of {} steps by worker {}, its window {}, makes no sense", header.steps,
                    header.worker, header.clock));
  }
  for (const double rate :
       {static_cast<double>(header.optimizer_rate.value_or(0)), header.rate_scale}) {
    if (std::isfinite(rate) && rate >= 0) continue;
    return invalid_argument(fmt::format("a push with learning rate {} makes no sense", rate));
  }
  for (const wire::EpochMetrics& metrics : header.metrics) {
    if (makes_sense(metrics)) continue;
    return invalid_argument(
        fmt::format("metrics of epoch {} that make no sense: {} samples, {} counters",
                    metrics.epoch, metrics.samples, metrics.counters.size()));
  }
  return ok_status();
}

Status PushMachine::refuse(PushDecision decision, const wire::PushIdentity& id) {
  const PushLedger::Segment segment = ledger_.segment(id.partition, id.sequence);
  const std::string partition = fmt::format("partition {}", id.partition);
  if (decision == PushDecision::kFenced) {
    ++counts_.fenced;
    return {
        StatusCode::kAborted,
        fmt::format(
            "{} has been taken over under incarnation {}; pushes under incarnation {} are refused",
            partition, segment.incarnation, id.incarnation)};
  }
  return {StatusCode::kAborted, fmt::format("{} has a gap: push {} came, {} is next", partition,
                                            id.sequence, segment.applied + 1)};
}

bool PushMachine::has_partition(int64_t partition) const {
  return partition >= 0 && static_cast<uint64_t>(partition) < pushes_.size();
}

Status PushMachine::refuse_fenced(const wire::PushIdentity& id) {
  return refuse(PushDecision::kFenced, id);
}

std::string to_text(wire::ShardRange range) {
  if (range.count == 1) return fmt::format("shard {}", range.first);
  return fmt::format("shards {} to {}", range.first, int64_t{range.first} + range.count - 1);
}

}  // namespace sluice::server
