#include "data/partition.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/rng.h"

namespace sluice::data {
namespace {

// Streams of the job's seed that belong to this file.
constexpr uint64_t kCutStream = 0x706172746974696F;    // "partitio"
constexpr uint64_t kEpochStream = 0x65706F63686F7264;  // "epochord"

constexpr int64_t kMaxRecords = std::numeric_limits<uint32_t>::max();

std::vector<uint32_t> identity(int64_t n) {
  std::vector<uint32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

}  // namespace

Partitioning::Partitioning(int64_t records, int64_t partitions, uint64_t seed, Shuffle shuffle)
    : records_(records), partitions_(partitions), seed_(seed), shuffle_(shuffle) {
  if (partitions < 1) {
    throw std::invalid_argument(fmt::format("partitions: expected at least 1, got {}", partitions));
  }
  if (records > kMaxRecords) {
    throw std::invalid_argument(
        fmt::format("a dataset of {} records is too large: at most {}", records, kMaxRecords));
  }
  if (partitions > records) {
    throw std::invalid_argument(
        fmt::format("cannot cut {} records into {} partitions: use fewer --workers or a smaller "
                    "--parallelism-factor",
                    records, partitions));
  }
}

int64_t Partitioning::first(int64_t partition) const {
  return partition * (records_ / partitions_) + std::min(partition, records_ % partitions_);
}

int64_t Partitioning::size(int64_t partition) const {
  if (partition < 0 || partition >= partitions_) {
    throw std::out_of_range(fmt::format("partition {} of {}", partition, partitions_));
  }
  return first(partition + 1) - first(partition);
}

std::vector<uint32_t> Partitioning::records(int64_t partition) const {
  const int64_t count = size(partition);
  std::vector<uint32_t> order = identity(records_);
  if (shuffle_ == Shuffle::kEachEpoch) core::Rng(seed_, {kCutStream}).shuffle(order);
  const auto begin = order.begin() + first(partition);
  return {begin, begin + count};
}

BatchPlan::BatchPlan(int64_t partition, int64_t records, int64_t batch_size, int epochs,
                     uint64_t seed, Shuffle shuffle)
    : partition_(partition),
      records_(records),
      batch_size_(batch_size),
      epochs_(epochs),
      seed_(seed),
      shuffle_(shuffle) {
  if (batch_size < 1) {
    throw std::invalid_argument(fmt::format("batch size: expected at least 1, got {}", batch_size));
  }
  if (epochs < 1) {
    throw std::invalid_argument(fmt::format("epochs: expected at least 1, got {}", epochs));
  }
  if (records < 1 || records > kMaxRecords) {
    throw std::invalid_argument(fmt::format("partition {} of {} records: expected from 1 to {}",
                                            partition, records, kMaxRecords));
  }
  batch_size_ = std::min(batch_size, records);
  steps_per_epoch_ = (records + batch_size_ - 1) / batch_size_;
}

int64_t BatchPlan::batch_size(int64_t step) const {
  if (step < 0 || step >= steps()) {
    throw std::out_of_range(fmt::format("step {} of {}", step, steps()));
  }
  return std::min(batch_size_, records_ - step % steps_per_epoch_ * batch_size_);
}

std::span<const uint32_t> BatchPlan::batch(int64_t step) {
  const auto size = static_cast<size_t>(batch_size(step));
  const int epoch = epoch_of(step);
  if (order_.empty() || (shuffle_ == Shuffle::kEachEpoch && epoch != order_epoch_)) {
    order_ = identity(records_);
    if (shuffle_ == Shuffle::kEachEpoch) {
      core::Rng(seed_,
                {kEpochStream, static_cast<uint64_t>(partition_), static_cast<uint64_t>(epoch)})
          .shuffle(order_);
    }
    order_epoch_ = epoch;
  }
  const auto begin = static_cast<size_t>(step % steps_per_epoch_ * batch_size_);
  return std::span<const uint32_t>(order_).subspan(begin, size);
}

}  // namespace sluice::data
