// Where a worker gets the records of its partitions from: the files that the job describes when
// this host has the very same ones, else the driver, chunk by chunk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/persistent_call.h"
#include "core/world.h"
#include "data/spool.h"
#include "wire/control.h"
#include "wire/training_spec.h"
#include "worker/partition_data.h"

namespace sluice::worker {

// Used, and destroyed, on its strand, which it keeps busy while it reads files. One partition is
// opened at a time.
class PartitionSource {
 public:
  using Done = core::UniqueFunction<void(Result<PartitionData>)>;

  // `got_on` is called for every chunk of records that came, `waiting_for` as PersistentCall says.
  PartitionSource(core::World& world, std::shared_ptr<core::Strand> strand,
                  std::shared_ptr<wire::ControlChannel> driver, uint64_t job,
                  const wire::TrainingSpec& spec, std::function<void()> got_on,
                  std::function<void(const std::string&)> waiting_for = {});

  // Looks for the files and reads them as often as data::open_described() does.
  void find_files();

  // A chunk that does not come is asked for again, until the driver has been silent for the job's
  // driver_timeout since the last. `done`, once, perhaps before open() returns: UNAVAILABLE, the
  // driver is silent; DATA_LOSS, it sends something else than the partition; CANCELLED; or what it,
  // or the disk, said.
  void open(const wire::Lease& lease, Done done);
  // Ends what is under way.
  void cancel();

  // "read from ..." or "sent by the driver", for the log.
  std::string origin() const;

 private:
  Result<PartitionData> open_files(int64_t partition) const;
  // The records with the weights of their classes.
  Result<PartitionData> data_of(std::shared_ptr<const data::Records> records,
                                std::vector<uint32_t> map) const;
  void open_spool();
  void fetch(int64_t first);
  void fetched(Result<wire::RecordChunk> chunk);
  Status keep(const wire::RecordChunk& chunk);
  Status check(const wire::RecordChunk& chunk) const;
  void end(Result<PartitionData> data);

  core::World& world_;
  const std::shared_ptr<wire::ControlChannel> driver_;
  const std::string who_;  // "the driver at ..."
  const uint64_t job_;
  const wire::TrainingSpec spec_;
  const std::function<void()> got_on_;
  std::shared_ptr<const data::Records> local_;

  // Of the partition that the driver is sending:
  wire::Lease lease_;
  Done done_;
  std::optional<data::RecordsSpool> spool_;
  int64_t next_ = 0;  // index of the first record of the chunk that was asked for
  client::PersistentCall<Result<wire::RecordChunk>> call_;
};

}  // namespace sluice::worker
