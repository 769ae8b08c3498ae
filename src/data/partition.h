// Which records a partition has, and in which order an epoch visits them.
//
// Everything is a function of the job's seed: any process that knows the seed can work out any
// batch of any epoch of any partition, so a partition can be taken up again in the middle by
// somebody else.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::data {

enum class Shuffle { kNone, kEachEpoch };

// Cuts `records` into `partitions` pieces whose sizes differ by at most one, the larger ones first.
class Partitioning {
 public:
  // Throws std::invalid_argument unless 1 <= partitions <= records < 2^32.
  Partitioning(int64_t records, int64_t partitions, uint64_t seed, Shuffle shuffle);

  int64_t partitions() const { return partitions_; }
  // Throw std::out_of_range unless 0 <= partition < partitions().
  int64_t size(int64_t partition) const;
  // Indices into the dataset. With kEachEpoch the dataset is shuffled once before it is cut, so
  // that a dataset sorted by class does not give each worker its own classes. Costs O(records).
  std::vector<uint32_t> records(int64_t partition) const;

 private:
  int64_t first(int64_t partition) const;

  int64_t records_;
  int64_t partitions_;
  uint64_t seed_;
  Shuffle shuffle_;
};

// The batches of one partition over all epochs, numbered by step from 0. The last batch of an epoch
// may be smaller, as in Keras: every record is visited exactly once per epoch. So is a partition of
// fewer records than a batch: they are one batch.
class BatchPlan {
 public:
  // Throws std::invalid_argument when anything is less than 1.
  BatchPlan(int64_t partition, int64_t records, int64_t batch_size, int epochs, uint64_t seed,
            Shuffle shuffle);

  int64_t steps() const { return steps_per_epoch_ * epochs_; }
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int epoch_of(int64_t step) const { return static_cast<int>(step / steps_per_epoch_); }
  int64_t batch_size(int64_t step) const;
  // Indices into the partition of the records of a batch; valid until the next call. Cheap while
  // the epoch stays the same. Throws std::out_of_range unless 0 <= step < steps().
  std::span<const uint32_t> batch(int64_t step);

 private:
  int64_t partition_, records_, batch_size_;
  int epochs_;
  uint64_t seed_;
  Shuffle shuffle_;
  int64_t steps_per_epoch_;
  int order_epoch_ = -1;  // the epoch that order_ is of
  std::vector<uint32_t> order_;
};

}  // namespace sluice::data
