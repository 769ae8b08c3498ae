// What the servers' ledgers say at the end of a job: that everything was counted once, and the sums
// for the report.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "driver/job_result.h"
#include "driver/member.h"
#include "sluice/status.h"
#include "wire/parameters.h"
#include "wire/shard_map.h"

namespace sluice::driver {

struct ExpectedCounts {
  const wire::ShardMap& shard_map;
  std::span<const int64_t> pushes;  // by partition
  int64_t records = 0;              // in the training set
  int epochs = 0;
};

// Ledgers and addresses below are by server index.

// INTERNAL unless every shard of every server has applied each push of each partition once, and
// every record is counted once in each epoch.
Status check_ledgers(const std::vector<wire::LedgerReply>& ledgers,
                     const std::vector<std::string>& addresses, const ExpectedCounts& expected);

// Everything but the parameters, the time and the members.
JobResult result_of(const std::vector<wire::LedgerReply>& ledgers);

// Adds what each server and each worker has done.
void add_members(const std::vector<wire::LedgerReply>& ledgers,
                 const std::vector<std::string>& addresses, const Members& members,
                 JobResult& result);

}  // namespace sluice::driver
