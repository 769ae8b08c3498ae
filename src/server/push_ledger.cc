#include "server/push_ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "server/limits.h"

namespace sluice::server {
namespace {

using Segment = PushLedger::Segment;
using Segments = PushLedger::Segments;

// Of two neighbours that are one lease, when nothing was applied of the second.
bool goes_on(const Segment& left, const Segment& right) {
  return right.applied == right.first - 1 && left.incarnation == right.incarnation;
}

// When both are complete, either incarnation would do: the lower one refuses no repeated push of a
// worker that has done nothing wrong.
Segment joined(const Segment& left, const Segment& right) {
  return {left.first, right.last, std::min(left.incarnation, right.incarnation),
          left.complete() && right.complete() ? right.applied : left.applied};
}

// So that one segment begins with this push.
void cut_before(Segments& segments, int64_t sequence) {
  for (auto it = segments.begin(); it != segments.end(); ++it) {
    if (sequence <= it->first || sequence > it->last) continue;
    Segment back = *it;
    back.first = sequence;
    back.applied = std::max(back.applied, sequence - 1);
    it->last = sequence - 1;
    it->applied = std::min(it->applied, sequence - 1);
    segments.insert(it + 1, back);
    return;
  }
}

auto find_in(auto& segments, int64_t sequence) {
  return std::lower_bound(
      segments.begin(), segments.end(), sequence,
      [](const Segment& segment, int64_t wanted) { return segment.last < wanted; });
}

}  // namespace

PushDecision PushLedger::decide(const wire::PushIdentity& id) const {
  const Segment now = segment(id.partition, id.sequence);
  if (id.incarnation < now.incarnation) return PushDecision::kFenced;
  if (id.sequence <= now.applied) return PushDecision::kDuplicate;
  if (id.sequence > now.applied + 1) return PushDecision::kGap;
  return PushDecision::kApply;
}

void PushLedger::reserve(int64_t partition) {
  Segments& segments = partitions_[partition];
  if (segments.empty()) segments.push_back(untouched(partition));
}

void PushLedger::record(const wire::PushIdentity& id) noexcept {
  Segment* const its = find(id);
  SLUICE_CHECK(its != nullptr) << "partition " << id.partition << " was not reserved";
  its->incarnation = std::max(its->incarnation, id.incarnation);
  its->applied = id.sequence;
  if (its->complete()) merge(partitions_.find(id.partition)->second);
}

void PushLedger::raise(const wire::PushIdentity& id) {
  reserve(id.partition);
  Segment* const its = find(id);
  its->incarnation = std::max(its->incarnation, id.incarnation);
}

bool PushLedger::fence(int64_t partition, int64_t incarnation, int64_t first, int64_t last) {
  reserve(partition);
  Segments& now = partitions_[partition];
  Segments cut;
  cut.reserve(now.size() + 2);
  cut = now;
  cut_before(cut, first);
  cut_before(cut, last + 1);
  for (Segment& segment : cut) {
    const bool meant = segment.first >= first && segment.last <= last;
    if (meant) segment.incarnation = std::max(segment.incarnation, incarnation);
  }
  cuts_ += cut.size() - now.size();
  std::swap(now, cut);
  merge(now, first, last);
  if (cuts_ <= kMostCuts || now.size() <= cut.size()) return true;
  cuts_ -= now.size() - cut.size();
  std::swap(now, cut);
  return false;
}

int64_t PushLedger::applied(int64_t partition, int64_t first, int64_t last) const {
  int64_t all_until = first - 1;
  for (const Segment& segment : segments(partition)) {
    if (segment.last < first) continue;
    all_until = std::max(all_until, segment.applied);
    if (segment.last >= last || !segment.complete()) break;
  }
  return std::min(all_until, last);
}

int64_t PushLedger::count(int64_t partition) const {
  int64_t pushes = 0;
  for (const Segment& segment : segments(partition)) pushes += segment.applied - segment.first + 1;
  return pushes;
}

void PushLedger::add_state(wire::LedgerState& state) const {
  for (const auto& [partition, segments] : partitions_) {
    for (const Segment& its : segments) {
      state.segments.push_back({partition, its.first, its.last, its.incarnation, its.applied});
    }
  }
}

Status PushLedger::adopt(const wire::LedgerState& state) {
  std::map<int64_t, Segments> partitions;
  for (const auto& [partition, first, last, incarnation, applied] : state.segments) {
    const bool known = partition >= 0 && static_cast<uint64_t>(partition) < pushes_.size();
    const int64_t all = known ? pushes_[static_cast<size_t>(partition)] : 0;
    const auto before = partitions.find(partition);
    const int64_t next = before == partitions.end() ? 1 : before->second.back().last + 1;
    if (!known || first != next || last < first || last > all || applied < first - 1 ||
        applied > last || incarnation < 0 || incarnation > kMostIncarnations) {
      return invalid_argument(fmt::format("a ledger with pushes {} to {} of partition {} at {}",
                                          first, last, partition, applied));
    }
    partitions[partition].push_back({first, last, incarnation, applied});
  }
  size_t cuts = 0;
  for (const auto& [partition, segments] : partitions) {
    if (segments.back().last != pushes_[static_cast<size_t>(partition)]) {
      return invalid_argument(fmt::format("a ledger without the last of partition {}", partition));
    }
    cuts += segments.size() - 1;
  }
  if (cuts > kMostCuts) return invalid_argument("a ledger in too many pieces");
  partitions_ = std::move(partitions);
  cuts_ = cuts;
  return ok_status();
}

Segment PushLedger::segment(int64_t partition, int64_t sequence) const {
  const auto it = partitions_.find(partition);
  if (it == partitions_.end() || it->second.empty()) return untouched(partition);
  const auto found = find_in(it->second, sequence);
  SLUICE_CHECK(found != it->second.end()) << "partition " << partition << " has no " << sequence;
  return *found;
}

Segments PushLedger::segments(int64_t partition) const {
  const auto it = partitions_.find(partition);
  const bool heard_of = it != partitions_.end() && !it->second.empty();
  return heard_of ? it->second : Segments{untouched(partition)};
}

Segment PushLedger::untouched(int64_t partition) const {
  return {1, pushes_[static_cast<size_t>(partition)], 0, 0};
}

Segment* PushLedger::find(const wire::PushIdentity& id) {
  const auto it = partitions_.find(id.partition);
  if (it == partitions_.end()) return nullptr;
  const auto found = find_in(it->second, id.sequence);
  return found == it->second.end() ? nullptr : &*found;
}

// Segments from `first` to `last` are of one lease.
void PushLedger::merge(Segments& segments, int64_t first, int64_t last) noexcept {
  size_t kept = 0;
  for (size_t next = 1; next < segments.size(); ++next) {
    const Segment &left = segments[kept], &right = segments[next];
    const bool one_lease = left.first >= first && right.last <= last;
    if ((left.complete() && right.complete()) || (one_lease && goes_on(left, right))) {
      segments[kept] = joined(left, right);
    } else {
      segments[++kept] = right;
    }
  }
  cuts_ -= segments.size() - (kept + 1);
  segments.resize(kept + 1);
}

}  // namespace sluice::server
