// Large jobs in the simulated world, where nothing fails and lines are only so fast: how many
// exchanges a second come of so many workers and servers, and how stale they are.
#pragma once

#include <cstdint>

#include "core/clock.h"

namespace sluice::simulator {

struct ScaleOptions {
  int epochs = 1;
  int workers = 1, servers = 1;
  int shards_per_server = 1, partitions_per_worker = 1;
  int windows = 20;           // of each partition
  core::Duration window{};    // that training one takes
  bool exponential = false;   // its distribution; else always as long
  bool rounds = false;        // all workers wait for one another
  double bytes = 0;           // of the parameters
  double bytes_per_s = 0;     // of each host's line; 0: any number
  bool shared_hosts = false;  // server i is on the host of worker i
  core::Duration latency = std::chrono::microseconds(50);
};

struct ScaleResult {
  double exchanges_per_s = 0;  // of all workers, when the first have started and none has ended
  double staleness = 0;        // mean over pushes and servers
  double simulated_s = 0;
  int64_t events = 0;
};

// Ends the process if the job fails.
ScaleResult run_at_scale(const ScaleOptions& options);

}  // namespace sluice::simulator
