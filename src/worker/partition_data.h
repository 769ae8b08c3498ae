// The records of one partition, wherever they come from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/records.h"
#include "wire/control.h"
#include "wire/training_spec.h"

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

  // x [n, sample...] and, as the loss wants them, y [n] class numbers or [n, classes] one-hot.
  void gather(std::span<const uint32_t> indices, std::span<float> x, std::span<float> y,
              int64_t target_size) const;

 private:
  std::shared_ptr<const data::Records> records_;
  std::vector<uint32_t> map_;
};

// Opens partitions: from the files that the job describes when this host has the very same ones,
// else as a stream from the driver. Used by one thread.
class PartitionSource {
 public:
  explicit PartitionSource(const wire::TrainingSpec& spec) : spec_(spec) {}

  // A stream that breaks is taken up again where it broke, until the driver has been silent for the
  // job's driver_timeout. CANCELLED: `stop` said so.
  Result<PartitionData> open(const wire::Lease& lease, wire::ControlChannel& driver,
                             const std::function<bool()>& stop);
  // "read from ..." or "streamed by the driver", for the log.
  const std::string& origin() const { return origin_; }

 private:
  Result<PartitionData> stream(const wire::Lease& lease, wire::ControlChannel& driver,
                               const std::function<bool()>& stop);

  const wire::TrainingSpec spec_;
  std::string origin_;
  bool tried_local_ = false;
  std::shared_ptr<const data::Records> local_;
};

}  // namespace sluice::worker
