// Hands out the records of partitions to workers that do not have the dataset's files.
//
// On a strand of its own: a slow disk under the dataset must not keep the driver from
// deciding.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/reply.h"
#include "core/world.h"
#include "data/partition.h"
#include "data/records.h"
#include "wire/control.h"

namespace sluice::driver {

// Thread-safe.
class RecordServer {
 public:
  RecordServer(core::World& world, std::shared_ptr<const data::Records> records,
               const data::Partitioning& partitioning);
  ~RecordServer();

  // Some MiB of records from `first` on; none behind the end. NOT_FOUND: no such partition.
  // DATA_LOSS: they cannot be read any more.
  void fetch(int64_t partition, int64_t first, core::Reply<Result<wire::RecordChunk>> reply);

 private:
  Result<wire::RecordChunk> read_or_say_why(int64_t partition, int64_t first);
  Result<wire::RecordChunk> read(int64_t partition, int64_t first);
  const std::vector<uint32_t>& indices_of(int64_t partition);

  const std::shared_ptr<const data::Records> records_;
  const data::Partitioning partitioning_;
  // Which records the partitions have that were asked for: working it out costs O(dataset).
  std::map<int64_t, std::vector<uint32_t>> indices_;
  const std::shared_ptr<core::Strand> strand_;
};

}  // namespace sluice::driver
