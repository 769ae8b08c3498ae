#include "worker/partition_data.h"

#include "data/describe.h"
#include "data/partition.h"
#include "data/spool.h"
#include "wire/patience.h"

namespace sluice::worker {
namespace {

// The driver may need a moment to gather a chunk of a large dataset from a slow disk.
constexpr wire::CallOptions kFetchOptions{.timeout = std::chrono::seconds(60)};

}  // namespace

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

Result<PartitionData> PartitionSource::open(const wire::Lease& lease, wire::ControlChannel& driver,
                                            const std::function<bool()>& stop) {
  if (!tried_local_) {
    tried_local_ = true;
    auto local = data::open_described(spec_.dataset);
    if (local.ok()) local_ = *local;
  }
  if (!local_) return stream(lease, driver, stop);
  const data::Partitioning partitioning(
      spec_.records, spec_.partitions, spec_.seed,
      spec_.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone);
  origin_ = "read from " + local_->info().origin;
  return PartitionData(local_, partitioning.records(lease.partition));
}

Result<PartitionData> PartitionSource::stream(const wire::Lease& lease,
                                              wire::ControlChannel& driver,
                                              const std::function<bool()>& stop) {
  SLUICE_ASSIGN_OR_RETURN(data::RecordsInfo info, data::parse_description(spec_.dataset));
  SLUICE_ASSIGN_OR_RETURN(data::RecordsSpool spool, data::RecordsSpool::create(std::move(info)));
  wire::Patience patience(driver.address(), {.give_up_after = spec_.driver_timeout, .stop = stop});
  Status kept;
  const auto keep = [&](const wire::RecordChunk& chunk) {
    patience.heard();
    kept = spool.append(chunk.features, chunk.labels);
    return kept.ok() && !stop();
  };
  for (;;) {
    const Status fetched =
        driver.fetch_partition(lease.partition, spool.records(), keep, kFetchOptions);
    SLUICE_RETURN_IF_ERROR(kept);
    if (stop()) return cancelled("stopped");
    if (fetched.ok()) break;
    SLUICE_RETURN_IF_ERROR(patience.after(fetched));
  }
  if (spool.records() != lease.records) {
    return data_loss("the driver at " + driver.address() + " sent " +
                     std::to_string(spool.records()) + " records of partition " +
                     std::to_string(lease.partition) + ", which has " +
                     std::to_string(lease.records));
  }
  SLUICE_ASSIGN_OR_RETURN(auto records, spool.finish());
  origin_ = "streamed by the driver";
  return PartitionData(std::move(records), {});
}

}  // namespace sluice::worker
