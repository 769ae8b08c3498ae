// What a job says while it runs and when it is over; what shows it to people implements
// JobObserver.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::driver {

struct WorkerProgress {
  int index = 0;
  bool alive = true;
  int64_t partition = -1;
  int64_t step = 0;
  std::string waiting_for;
};

struct JobProgress {
  double elapsed_s = 0;
  int64_t samples = 0;  // trained and pushed, over all epochs
  int64_t total_samples = 0;
  int64_t updates = 0;
  std::vector<wire::EpochMetrics> epochs;  // by epoch, pushed so far
  std::vector<WorkerProgress> workers;
  std::string waiting_for;  // empty: the job goes on
};

struct WorkerReport {
  int worker = 0;
  int64_t updates = 0;
  int64_t samples = 0;
  int leases = 0;
  std::vector<std::string> processes;  // "pid 4711 on hosta: left", in the order they joined
  int64_t peak_memory_bytes = 0;
};

struct ServerReport {
  std::string address;
  int shards = 0;
  double update_seconds = 0;
  int64_t peak_memory_bytes = 0;
};

struct JobResult {
  double training_time_s = 0;
  int64_t server_updates = 0;    // pushes applied by every shard
  int64_t duplicate_pushes = 0;  // answered, not applied again
  int64_t fenced_pushes = 0;     // refused: the worker had lost its lease
  int64_t samples_trained = 0;
  double staleness_mean = 0;
  int64_t staleness_max = 0;
  std::vector<wire::EpochMetrics> epochs;
  std::vector<WorkerReport> workers;
  std::vector<ServerReport> servers;
  core::AlignedBuffer parameters;  // the final values
};

// Called on the thread in Driver::run(), never under a lock.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  // Some twenty times a second: look after processes, redraw.
  virtual void on_tick() {}
  // Some five times a second, with fresh figures.
  virtual void on_progress(const JobProgress& /*progress*/) {}
  // Every record of `epoch` is trained and pushed. `pull` reads the parameters as they are now.
  virtual void on_epoch_end(int /*epoch*/, const wire::EpochMetrics& /*metrics*/,
                            const std::function<Status(std::span<float>)>& /*pull*/) {}
  // "worker 1 (pid 4711 on hosta) killed by signal 9: partition 2 goes back to the queue".
  virtual void on_notice(const std::string& /*line*/) {}
};

}  // namespace sluice::driver
