#include "worker/partition_source.h"

#include <fmt/core.h>

#include <utility>

#include "core/check.h"
#include "data/describe.h"
#include "data/partition.h"
#include "worker/caught.h"

namespace sluice::worker {

PartitionSource::PartitionSource(core::World& world, std::shared_ptr<core::Strand> strand,
                                 std::shared_ptr<wire::ControlChannel> driver, uint64_t job,
                                 const wire::TrainingSpec& spec, std::function<void()> got_on,
                                 std::function<void(const std::string&)> waiting_for)
    : world_(world),
      driver_(std::move(driver)),
      who_("the driver at " + driver_->address()),
      job_(job),
      spec_(spec),
      got_on_(std::move(got_on)),
      call_(world, std::move(strand), std::move(waiting_for)) {}

void PartitionSource::find_files() {
  auto local = data::open_described(spec_.dataset);
  if (local.ok()) local_ = *std::move(local);
}

std::string PartitionSource::origin() const {
  return local_ ? "read from " + local_->info().origin : "sent by the driver";
}

void PartitionSource::open(const wire::Lease& lease, Done done) {
  SLUICE_CHECK(!done_) << "a partition is being opened";
  lease_ = lease;
  done_ = std::move(done);
  if (local_) return end(open_files(lease.partition));
  open_spool();
}

Result<PartitionData> PartitionSource::open_files(int64_t partition) const {
  std::vector<uint32_t> records;
  SLUICE_RETURN_IF_ERROR(caught([&] {
    records = data::Partitioning(spec_.records, spec_.partitions, spec_.seed,
                                 spec_.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone)
                  .records(partition);
  }));
  return data_of(local_, std::move(records));
}

Result<PartitionData> PartitionSource::data_of(std::shared_ptr<const data::Records> records,
                                               std::vector<uint32_t> map) const {
  SLUICE_RETURN_IF_ERROR(caught([&] {
    if (!spec_.class_weight.empty()) records = records->with_class_weights(spec_.class_weight);
  }));
  return PartitionData(std::move(records), std::move(map));
}

void PartitionSource::open_spool() {
  auto info = data::parse_description(spec_.dataset);
  if (!info.ok()) return end(info.status());
  auto spool = data::RecordsSpool::create(world_.disk(), *std::move(info));
  if (!spool.ok()) return end(spool.status());
  spool_.emplace(*std::move(spool));
  fetch(0);
}

void PartitionSource::fetch(int64_t first) {
  next_ = first;
  call_.start(
      who_, {.give_up_after = spec_.driver_timeout},
      [this, request = wire::FetchRequest{job_, lease_.partition, first}](
          const wire::CallOptions& options, core::Reply<Result<wire::RecordChunk>> reply) {
        driver_->fetch(request, options, std::move(reply));
      },
      [this](Result<wire::RecordChunk> chunk) { fetched(std::move(chunk)); });
}

void PartitionSource::fetched(Result<wire::RecordChunk> chunk) {
  if (!chunk.ok()) return end(chunk.status());
  got_on_();
  if (Status kept = keep(*chunk); !kept.ok()) return end(std::move(kept));
  if (spool_->records() == lease_.records) {
    auto records = spool_->finish();
    if (!records.ok()) return end(records.status());
    end(data_of(*std::move(records), {}));
  }
}

// The next chunk is on its way while this one is written.
Status PartitionSource::keep(const wire::RecordChunk& chunk) {
  SLUICE_RETURN_IF_ERROR(check(chunk));
  const data::Targets targets{
      .labels = chunk.labels, .values = chunk.values, .weights = chunk.weights};
  const int64_t next = chunk.first + spool_->info().count(targets);
  if (next < lease_.records) fetch(next);
  return spool_->append(chunk.features, targets);
}

Status PartitionSource::check(const wire::RecordChunk& chunk) const {
  if (chunk.first != next_) {
    return data_loss(fmt::format("{} sent record {} of partition {}, record {} was asked for", who_,
                                 chunk.first, lease_.partition, next_));
  }
  const int64_t count = spool_->info().count({.labels = chunk.labels, .values = chunk.values});
  if (count == 0 || count > lease_.records - next_) {
    return data_loss(fmt::format("{} sent {} records of partition {}, which has {}", who_,
                                 next_ + count, lease_.partition, lease_.records));
  }
  if (chunk.weights.empty() == spec_.sample_weights) {
    return data_loss(fmt::format("{} sent {} weights with {} records of partition {}", who_,
                                 chunk.weights.size(), count, lease_.partition));
  }
  return ok_status();
}

void PartitionSource::cancel() {
  if (done_) end(cancelled("stopped"));
}

void PartitionSource::end(Result<PartitionData> data) {
  call_.stop();
  spool_.reset();
  std::exchange(done_, nullptr)(std::move(data));  // may open the next
}

}  // namespace sluice::worker
