// The result of a job.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "wire/parameters.h"

namespace sluice::driver {

struct WorkerReport {
  int worker = 0;
  int64_t updates = 0;
  int64_t samples = 0;
  int leases = 0;
  struct Process {
    std::string name;  // "pid 4711 on hosta"
    std::string fate;
    bool left = false;  // as it should
  };
  std::vector<Process> processes;  // in the order they joined
  int64_t peak_memory_bytes = 0;
  double times_slower = 1;  // than the others, when it was named for that; see Straggler
  int64_t given = 0;        // pushes of its leases that went to others, since they were slow
  std::vector<wire::Traffic> traffic{};  // of all its processes, by server
};

struct ServerReport {
  std::string address;
  int shards = 0;
  double update_seconds = 0;
  int64_t peak_memory_bytes = 0;
};

// Something that people changed while the job ran.
struct ChangeReport {
  double at_s = 0;  // after the first lease; below 0: before it
  std::string knob, from, to, by;
};

// Shards went to other servers.
struct MoveReport {
  double at_s = 0;       // after the first lease
  int from = 0, to = 0;  // servers
  int64_t bytes = 0;     // of parameters that were at another server from then on
  double held_s = 0;     // for which pushes may have been held, at most
};

// Workers came or went, and with them the scale of pushes changed.
struct GainReport {
  double at_s = 0;  // after the first lease
  int workers = 0;  // that trained from then on
  double gain = 0, scale = 1;
};

struct JobResult {
  // Why the job ended before all was trained; empty: all was. The parameters are as they were then.
  std::string stopped;
  double training_time_s = 0;
  int64_t server_updates = 0;    // pushes applied by every shard
  int64_t duplicate_pushes = 0;  // answered, not applied again
  int64_t fenced_pushes = 0;     // refused: the worker had lost its lease
  int64_t samples_trained = 0;
  // Of pushes that came too late for their round, which backup workers had made superfluous: not
  // part of samples_trained, but of server_updates.
  int64_t samples_superseded = 0, superseded_updates = 0;
  double staleness_mean = 0;
  int64_t staleness_max = 0;
  std::vector<wire::EpochMetrics> epochs;
  std::vector<WorkerReport> workers;
  std::vector<ServerReport> servers;
  std::vector<ChangeReport> changes;
  std::vector<MoveReport> moves;
  std::vector<GainReport> gains;
  core::AlignedBuffer parameters;  // the final values
  core::AlignedBuffer averages;    // of them, where the job's optimizer has use_ema; else empty

  // What the model gets.
  std::span<const float> trained() const {
    return averages.size() > 0 ? averages.span() : parameters.span();
  }
};

}  // namespace sluice::driver
