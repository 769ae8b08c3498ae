#include "driver/lease_table.h"

#include <algorithm>

#include "core/check.h"

namespace sluice::driver {

LeaseTable::LeaseTable(const PushPlan& plan)
    : plan_(plan),
      partitions_(static_cast<size_t>(plan.partitions())),
      held_in_(partitions_.size()) {
  for (int epoch = 0; epoch < plan.epochs(); ++epoch) {
    left_.push_back(plan.pushes_of_epoch(epoch));
    left_in_all_ += left_.back();
  }
  for (int64_t p = 0; p < plan.partitions(); ++p) {
    if (plan.pushes(p) == 0) continue;
    partition(p).pieces[1] = {plan.pushes(p)};
    free_.emplace(plan.epoch_of(p, 1), p, 1);
  }
  trained(0, 1, 0);
}

std::vector<LeaseTable::Interval> LeaseTable::free_in_epoch(size_t most) const {
  std::vector<Interval> found;
  for (const auto& [epoch, index, first] : free_) {
    if (epoch != free_epoch() || found.size() == most) break;
    const Pieces& pieces = partitions_[static_cast<size_t>(index)].pieces;
    found.push_back({index, first, pieces.at(first).last});
  }
  return found;
}

std::optional<LeaseTable::Interval> LeaseTable::free_of(int64_t index, int64_t first) const {
  std::optional<Interval> found;
  for (auto it = free_.lower_bound({free_epoch(), index, 0}); it != free_.end(); ++it) {
    const auto& [epoch, its_partition, its_first] = *it;
    if (epoch != free_epoch() || its_partition != index) break;
    const Pieces& pieces = partitions_[static_cast<size_t>(index)].pieces;
    if (!found || its_first == first) found = {index, its_first, pieces.at(its_first).last};
  }
  return found;
}

LeaseTable::Key LeaseTable::take(const Interval& interval, int64_t holder) {
  Partition& its = partition(interval.partition);
  auto piece = std::prev(its.pieces.upper_bound(interval.first));
  SLUICE_CHECK(piece->second.incarnation == 0 && piece->second.last >= interval.last);
  const Piece whole = piece->second;
  unlist(interval.partition, piece->first);
  if (piece->first < interval.first) {
    piece->second.last = interval.first - 1;
    set_free(interval.partition, piece);
    piece = its.pieces.emplace(interval.first, whole).first;
  }
  if (interval.last < whole.last) {
    const auto rest = its.pieces.emplace(interval.last + 1, whole).first;
    set_free(interval.partition, rest);
  }
  piece->second = {interval.last, ++its.incarnation, true};
  const Key key{interval.partition, its.incarnation};
  held_.emplace(key, Held{interval.first, holder});
  ++held_in_[static_cast<size_t>(interval.partition)];
  return key;
}

std::optional<LeaseTable::Interval> LeaseTable::find(const Key& lease) const {
  const auto held = held_.find(lease);
  if (held == held_.end()) return std::nullopt;
  const Pieces& pieces = partitions_[static_cast<size_t>(lease.partition)].pieces;
  return Interval{lease.partition, held->second.first, pieces.at(held->second.first).last};
}

int64_t LeaseTable::holder(const Key& lease) const {
  const auto held = held_.find(lease);
  return held == held_.end() ? -1 : held->second.holder;
}

std::vector<LeaseTable::Interval> LeaseTable::touched() const {
  std::vector<Interval> found;
  for (const auto& [epoch, index, first] : free_) {
    const Piece& piece = partitions_[static_cast<size_t>(index)].pieces.at(first);
    if (piece.touched) found.push_back({index, first, piece.last});
  }
  return found;
}

std::vector<int64_t> LeaseTable::holders(size_t most) const {
  std::vector<int64_t> found;
  for (const auto& [lease, its] : held_) {
    if (found.size() == most) break;
    found.push_back(its.holder);
  }
  std::ranges::sort(found);
  return found;
}

LeaseTable::Pieces::iterator LeaseTable::piece_of(const Key& lease) {
  const auto held = held_.find(lease);
  SLUICE_CHECK(held != held_.end()) << "no such lease of partition " << lease.partition;
  return partition(lease.partition).pieces.find(held->second.first);
}

void LeaseTable::cut(const Key& lease, int64_t from) {
  const auto piece = piece_of(lease);
  SLUICE_CHECK(from > piece->first && from <= piece->second.last);
  const auto back = partition(lease.partition).pieces.emplace(from, piece->second).first;
  piece->second.last = from - 1;
  set_free(lease.partition, back);
}

void LeaseTable::trained_until(const Key& lease, int64_t next) {
  const auto piece = piece_of(lease);
  const int64_t first = piece->first;
  if (next <= first) return;
  if (next > piece->second.last) return finish(lease);
  Pieces& pieces = partition(lease.partition).pieces;
  pieces.emplace(next, piece->second);
  pieces.erase(piece);
  held_.at(lease).first = next;
  trained(lease.partition, first, next - 1);
}

void LeaseTable::finish(const Key& lease) {
  const auto piece = piece_of(lease);
  const int64_t first = piece->first, last = piece->second.last;
  partition(lease.partition).pieces.erase(piece);
  forget(lease);
  trained(lease.partition, first, last);
}

void LeaseTable::release(const Key& lease) {
  const auto piece = piece_of(lease);
  forget(lease);
  set_free(lease.partition, piece);
}

void LeaseTable::forget(const Key& lease) {
  held_.erase(lease);
  --held_in_[static_cast<size_t>(lease.partition)];
}

// What is free behind it goes with it, unless a new holder might have to go on from two places.
void LeaseTable::set_free(int64_t index, Pieces::iterator piece) {
  Pieces& pieces = partition(index).pieces;
  piece->second.incarnation = 0;
  const auto next = std::next(piece);
  if (next != pieces.end() && next->first == piece->second.last + 1 &&
      next->second.incarnation == 0 && !next->second.touched) {
    piece->second.last = next->second.last;
    unlist(index, next->first);
    pieces.erase(next);
  }
  free_.emplace(plan_.epoch_of(index, piece->first), index, piece->first);
}

void LeaseTable::unlist(int64_t index, int64_t first) {
  free_.erase({plan_.epoch_of(index, first), index, first});
}

void LeaseTable::trained(int64_t index, int64_t first, int64_t last) {
  for (int64_t push = first; push <= last;) {
    const int epoch = plan_.epoch_of(index, push);
    const int64_t end = std::min(last, plan_.epoch_end(index, epoch));
    left_[static_cast<size_t>(epoch)] -= end - push + 1;
    left_in_all_ -= end - push + 1;
    push = end + 1;
  }
  while (epoch_ < plan_.epochs() && left_[static_cast<size_t>(epoch_)] == 0) ++epoch_;
}

}  // namespace sluice::driver
