// Which pushes a shard has applied: per partition the incarnation it listens to and the last
// sequence. Decides what becomes of a push, so that each is applied exactly once:
//
//   incarnation < the partition's          kFenced     a worker that lost its lease
//   sequence    <= the last applied        kDuplicate  answered, not applied
//   sequence    == the last applied + 1    kApply
//   sequence    >  the last applied + 1    kGap        a push is missing before it
//
// Plain decisions without threads or clocks; the shard calls them under its lock. The table has one
// entry per partition, so it never needs trimming.
#pragma once

#include <cstdint>
#include <map>

#include "wire/parameters.h"

namespace sluice::server {

enum class PushDecision { kApply, kDuplicate, kFenced, kGap };

class PushLedger {
 public:
  struct Entry {
    int64_t incarnation = 0;  // pushes below it are refused
    int64_t sequence = 0;     // the last one applied; 0: none yet
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // What to do with this push. Changes nothing.
  PushDecision decide(const wire::PushIdentity& id) const;

  // Makes room for the partition's entry: may throw std::bad_alloc, so call it before anything is
  // applied. What the ledger says is not changed.
  void reserve(int64_t partition) { entries_[partition]; }

  // Notes a push for which decide() said kApply, after reserve().
  void record(const wire::PushIdentity& id) noexcept;

  // From now on pushes of the partition below `incarnation` are fenced. Never goes back.
  void fence(int64_t partition, int64_t incarnation);

  Entry entry(int64_t partition) const;  // all zero for a partition not heard of
  const std::map<int64_t, Entry>& entries() const { return entries_; }

 private:
  std::map<int64_t, Entry> entries_;
};

}  // namespace sluice::server
