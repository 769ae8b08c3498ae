#include "worker/partition_data.h"

namespace sluice::worker {

void PartitionData::gather(std::span<const uint32_t> indices, std::span<float> x,
                           std::span<float> y, int64_t target_size) const {
  std::vector<uint32_t> mapped;
  if (!map_.empty()) {
    mapped.reserve(indices.size());
    for (uint32_t index : indices) mapped.push_back(map_[index]);
    indices = mapped;
  }
  records_->gather(indices, x);
  if (target_size == 1) {
    records_->gather_labels(indices, y);
  } else {
    records_->gather_one_hot(indices, y);
  }
}

}  // namespace sluice::worker
