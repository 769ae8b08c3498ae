#include "core/cores.h"

#include <fmt/core.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/control_groups.h"

namespace sluice::core {
namespace {

constexpr int kMostCores = 4096;

int threads_for(double cores) {
  return static_cast<int>(std::clamp<double>(std::ceil(cores), 1, kMostCores));
}

// A whole number, or the first of a list, as OMP_NUM_THREADS may be one.
std::optional<int> variable(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const std::string_view all = text;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), number);
  const bool whole = end == all.data() + all.size() || *end == ',';
  if (error != std::errc() || !whole || number < 1 || number > kMostCores) return std::nullopt;
  return number;
}

std::optional<double> quota_of(const ControlGroup& group) {
  double quota = 0;
  double period = 0;
  if (group.version == 2) {  // "150000 100000", "max 100000"
    std::istringstream fields(group.line("cpu.max").value_or(""));
    if (!(fields >> quota >> period)) return std::nullopt;
  } else {
    quota = static_cast<double>(group.number("cpu.cfs_quota_us").value_or(-1));
    period = static_cast<double>(group.number("cpu.cfs_period_us").value_or(0));
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

struct Mask {
  int cores = 1;
  std::string name;
};

Mask affinity_mask() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {};
  Mask mask{std::max(CPU_COUNT(&set), 1), "cpus"};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {  // "cpus 0-3 6"
    if (!CPU_ISSET(cpu, &set)) continue;
    mask.name += fmt::format(" {}", cpu);
    const int first = cpu;
    while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, &set)) ++cpu;
    if (cpu > first) mask.name += fmt::format("-{}", cpu);
  }
  return mask;
}

void limit_to(UsableCores& cores, double count, const char* why) {
  if (count >= cores.count) return;
  cores.count = count;
  cores.why = why;
}

}  // namespace

int UsableCores::threads() const { return threads_for(count); }

UsableCores usable_cores(const std::string& root) {
  UsableCores cores;
  const Mask mask = affinity_mask();
  const int online = std::max<int>(static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)), mask.cores);
  cores.count = online;
  cores.why = "all of this machine";
  cores.pools.push_back({"machine", online});
  if (mask.cores < online) cores.pools.push_back({mask.name, mask.cores});
  limit_to(cores, mask.cores, "affinity mask");
  for (const ControlGroup& group : control_groups("cpu", root)) {
    const auto quota = quota_of(group);
    if (!quota) continue;
    cores.pools.push_back({"cgroup " + group.identity(), threads_for(*quota)});
    limit_to(cores, *quota, "cgroup quota");
  }
  for (const char* name : {"SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"}) {
    const auto stated = variable(name);
    if (!stated) continue;
    cores.count = *stated;
    cores.why = name;
    cores.stated = true;
    break;
  }
  return cores;
}

int available_cores() { return usable_cores().threads(); }

std::string to_text(const UsableCores& cores) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g core%s", cores.count, cores.count == 1 ? "" : "s");
  return text;
}

}  // namespace sluice::core
