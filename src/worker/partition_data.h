// The records of one partition.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "data/records.h"

namespace sluice::worker {

// Immutable.
class PartitionData {
 public:
  // `map` gives the dataset's record for each of the partition's; empty: they are the same.
  PartitionData(std::shared_ptr<const data::Records> records, std::vector<uint32_t> map)
      : records_(std::move(records)), map_(std::move(map)) {}

  int64_t size() const {
    return map_.empty() ? records_->info().records : static_cast<int64_t>(map_.size());
  }

  // x [n, sample...] and the targets, as Records::gather() and gather_targets().
  void gather(std::span<const uint32_t> indices, std::span<float> x, data::TargetForm form,
              std::span<float> y) const;

 private:
  std::shared_ptr<const data::Records> records_;
  std::vector<uint32_t> map_;
};

}  // namespace sluice::worker
