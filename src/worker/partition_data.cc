#include "worker/partition_data.h"

namespace sluice::worker {

void PartitionData::gather(std::span<const uint32_t> indices, std::span<float> x,
                           data::TargetForm form, std::span<float> y) const {
  std::vector<uint32_t> mapped;
  if (!map_.empty()) {
    mapped.reserve(indices.size());
    for (uint32_t index : indices) mapped.push_back(map_[index]);
    indices = mapped;
  }
  records_->gather(indices, x);
  records_->gather_targets(indices, form, y);
}

}  // namespace sluice::worker
