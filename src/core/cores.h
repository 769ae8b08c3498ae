// How many cores this process may use, and whom it shares them with.
//
//   what the launcher says    SLURM_CPUS_PER_TASK, else OMP_NUM_THREADS
//   else the least of         the quotas of its control groups (cpu.max; cpu.cfs_quota_us)
//                             the cores that it may run on (affinity mask, cpuset)
#pragma once

#include <string>
#include <vector>

namespace sluice::core {

// A set of cores that is shared by all processes of one machine that name the same pool.
struct CorePool {
  std::string name;
  int cores = 1;

  friend bool operator==(const CorePool&, const CorePool&) = default;
};

struct UsableCores {
  double count = 1;
  std::string why{};    // "cgroup quota", "affinity mask", "OMP_NUM_THREADS", "all of this machine"
  bool stated = false;  // by the launcher, for this process alone: not to be shared
  std::vector<CorePool> pools{};  // every pool that its threads use; always the machine's own

  // `count` rounded up: two threads make more of a quota of 1.5 cores than one does.
  int threads() const;
};

// `root`: of /proc and /sys, for tests.
UsableCores usable_cores(const std::string& root = "");

// usable_cores().threads().
int available_cores();

// "1.5 cores", "1 core".
std::string to_text(const UsableCores& cores);

}  // namespace sluice::core
