// Which pushes a server has counted. A partition's pushes are divided into segments, one for each
// lease that is or was in force: the incarnation that it listens to, and the last push applied of
// it. Decides what becomes of a push, so that each is applied exactly once:
//
//   incarnation < the segment's          kFenced     a worker that lost this part of its lease
//   sequence    <= the last applied      kDuplicate  answered, not applied
//   sequence    == the last applied + 1  kApply
//   sequence    >  the last applied + 1  kGap        a push is missing before it
//
// In the beginning a partition is one segment. A fence cuts segments at its ends; neighbours that
// need not be told apart any more become one again, so that a table has little more segments than
// there are leases in force. Whatever comes, there are no more than kMostCuts.
//
// Plain decisions without threads or clocks; the server calls them under its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "sluice/status.h"
#include "wire/move.h"
#include "wire/parameters.h"

namespace sluice::server {

enum class PushDecision { kApply, kDuplicate, kFenced, kGap };

class PushLedger {
 public:
  // Segments beyond the first one of each partition, of all partitions.
  static constexpr size_t kMostCuts = size_t{1} << 14;

  struct Segment {
    int64_t first = 0, last = 0;
    int64_t incarnation = 0;  // pushes below it are refused
    int64_t applied = 0;      // the last one applied; first - 1: none yet
    bool complete() const { return applied == last; }
    friend bool operator==(const Segment&, const Segment&) = default;
  };
  using Segments = std::vector<Segment>;  // of one partition, in order, without a hole

  // `pushes`: how many each partition will have; outlives the ledger. All calls are about pushes
  // that there are.
  explicit PushLedger(std::span<const int64_t> pushes) : pushes_(pushes) {}

  // What to do with this push. Changes nothing.
  PushDecision decide(const wire::PushIdentity& id) const;

  // Makes room for the partition's segments: may throw std::bad_alloc, so call it before anything
  // is applied. What the ledger says is not changed.
  void reserve(int64_t partition);

  // Notes a push for which decide() said kApply, after reserve().
  void record(const wire::PushIdentity& id) noexcept;
  // A push under this incarnation was heard of: older ones of its segment are fenced.
  void raise(const wire::PushIdentity& id);

  // From now on pushes first to last of the partition are fenced below `incarnation`. Never goes
  // back. False, and nothing has changed: there would be too many segments.
  bool fence(int64_t partition, int64_t incarnation, int64_t first, int64_t last);

  // The last push up to which all from `first` on, and none behind `last`, are applied.
  int64_t applied(int64_t partition, int64_t first, int64_t last) const;
  // How many pushes of the partition are.
  int64_t count(int64_t partition) const;
  Segment segment(int64_t partition, int64_t sequence) const;
  Segments segments(int64_t partition) const;
  // As other servers have it.
  void add_state(wire::LedgerState& state) const;
  // Goes on from there. INVALID_ARGUMENT: that is none of this job. Throws std::bad_alloc.
  Status adopt(const wire::LedgerState& state);
  // That have been heard of.
  const std::map<int64_t, Segments>& partitions() const { return partitions_; }

 private:
  Segment untouched(int64_t partition) const;
  Segment* find(const wire::PushIdentity& id);
  void merge(Segments& segments, int64_t first = 0, int64_t last = 0) noexcept;

  const std::span<const int64_t> pushes_;
  std::map<int64_t, Segments> partitions_;
  size_t cuts_ = 0;
};

}  // namespace sluice::server
