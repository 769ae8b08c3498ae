// Whose each push of a job is: every partition's pushes that are not trained yet, divided into
// intervals that somebody holds and such that are free.
//
// Plain single-threaded bookkeeping; Coordinator decides who gets what. Trained intervals are
// forgotten, so the table is as large as there are leases in force, and partitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "driver/push_plan.h"

namespace sluice::driver {

class LeaseTable {
 public:
  struct Interval {
    int64_t partition = 0;
    int64_t first = 0, last = 0;  // pushes
    int64_t size() const { return last - first + 1; }
    friend bool operator==(const Interval&, const Interval&) = default;
  };
  // A lease's name.
  struct Key {
    int64_t partition = -1;
    int64_t incarnation = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  explicit LeaseTable(const PushPlan& plan);

  bool all_trained() const { return left_in_all_ == 0; }
  // The first that is not trained to its end; behind the last one: all are.
  int epoch() const { return epoch_; }
  int64_t left(int epoch) const { return left_[static_cast<size_t>(epoch)]; }
  int64_t left() const { return left_in_all_; }

  bool any_free() const { return !free_.empty(); }
  // Of the first free push; any_free() must hold.
  int free_epoch() const { return std::get<0>(*free_.begin()); }
  // Free intervals that begin in free_epoch(), at most so many, in the order of their partitions.
  std::vector<Interval> free_in_epoch(size_t most) const;
  // The one of them that is of this partition, best the one that begins with push `first`.
  std::optional<Interval> free_of(int64_t partition, int64_t first) const;
  // Whether somebody holds pushes of the partition.
  bool is_held(int64_t partition) const { return held_in_[static_cast<size_t>(partition)] > 0; }
  size_t held() const { return held_.size(); }
  // What is free, and was held before: shards may have some of its pushes.
  std::vector<Interval> touched() const;
  // Of leases, at most so many, in order.
  std::vector<int64_t> holders(size_t most) const;

  // A lease of what is free, under a new incarnation, for this member.
  Key take(const Interval& interval, int64_t holder);
  std::optional<Interval> find(const Key& lease) const;
  int64_t holder(const Key& lease) const;  // -1: there is no such lease any more
  // What the lease has from push `from` on, which is not its first, is free from now on.
  void cut(const Key& lease, int64_t from);
  // The lease's pushes before `next` are trained.
  void trained_until(const Key& lease, int64_t next);
  void finish(const Key& lease);
  // What is left of the lease is free.
  void release(const Key& lease);

 private:
  struct Piece {
    int64_t last = 0;
    int64_t incarnation = 0;  // 0: free
    // Somebody has held it, so that shards may have some of its pushes: a new holder goes on from
    // there, if the interval begins with this piece.
    bool touched = false;
  };
  using Pieces = std::map<int64_t, Piece>;  // by first push
  struct Partition {
    int64_t incarnation = 0;
    Pieces pieces;
  };

  Partition& partition(int64_t index) { return partitions_[static_cast<size_t>(index)]; }
  Pieces::iterator piece_of(const Key& lease);
  void set_free(int64_t index, Pieces::iterator piece);
  void unlist(int64_t index, int64_t first);
  void trained(int64_t index, int64_t first, int64_t last);
  void forget(const Key& lease);

  const PushPlan& plan_;
  std::vector<Partition> partitions_;
  std::vector<int32_t> held_in_;  // leases, by partition
  struct Held {
    int64_t first, holder;
  };
  std::map<Key, Held> held_;
  std::set<std::tuple<int, int64_t, int64_t>> free_;  // (epoch, partition, first push)
  std::vector<int64_t> left_;                         // pushes not trained, by epoch
  int64_t left_in_all_ = 0;
  int epoch_ = 0;
};

}  // namespace sluice::driver
