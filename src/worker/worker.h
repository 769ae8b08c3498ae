// The worker role: joins a job, trains partition after partition, leaves.
#pragma once

#include <atomic>
#include <string>

#include "core/clock.h"
#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::worker {

struct WorkerOptions {
  std::string driver;        // address
  int preferred_index = -1;  // "worker 2" when the launcher numbered its workers
  std::string device{};      // instead of the job's, unless empty
  core::Duration join_timeout = std::chrono::seconds(60);  // for the driver to be there
};

// Runs until the job has nothing left to train (OK), is aborted, or cannot go on; the status says
// why. `stop` makes it leave at the next step with CANCELLED. The driver is told in every case.
Status run_worker(wire::Transport& transport, const WorkerOptions& options,
                  const std::atomic<bool>& stop);

}  // namespace sluice::worker
