#include "driver/placement.h"

#include <algorithm>
#include <set>

namespace sluice::driver {

using wire::Role;

namespace {

int lowest_free(const std::set<int>& taken) {
  int number = 0;
  while (taken.contains(number)) ++number;
  return number;
}

// The same for all processes of one machine: its boot id or, where that is not known, the host
// name.
const std::string& machine_of(const core::ProcessFacts& process) {
  return process.machine.empty() ? process.host : process.machine;
}

}  // namespace

int free_index(const Members& members, Role role, int preferred, int servers) {
  std::set<int> taken;
  for (const auto& [id, member] : members) {
    if (member.alive && member.name.role == role) taken.insert(member.name.index);
  }
  const int limit = role == Role::kServer ? servers : kMostWorkers;
  if (preferred >= 0 && preferred < limit && !taken.contains(preferred)) return preferred;
  return lowest_free(taken);
}

int free_slot(const Members& members, Role role, const core::ProcessFacts& process) {
  std::set<int> taken;
  for (const auto& [id, member] : members) {
    if (member.alive && member.name.role == role &&
        machine_of(member.name.process) == machine_of(process)) {
      taken.insert(member.slot);
    }
  }
  return lowest_free(taken);
}

std::string free_gpu(const Members& members, const std::vector<std::string>& gpus) {
  const auto holders = [&members](const std::string& gpu) {
    return std::count_if(members.begin(), members.end(), [&](const auto& member) {
      return member.second.alive && member.second.gpu == gpu;
    });
  };
  const auto freest = std::min_element(
      gpus.begin(), gpus.end(),
      [&](const std::string& a, const std::string& b) { return holders(a) < holders(b); });
  return freest == gpus.end() ? "" : *freest;
}

int share_of_cores(const Members& members, const Member& member, int64_t unfinished) {
  int share = 0;
  for (const core::CorePool& pool : member.cores) {
    int sharing = 0;
    for (const auto& [id, other] : members) {
      const bool here =
          other.alive && machine_of(other.name.process) == machine_of(member.name.process);
      if (!here) continue;
      sharing += static_cast<int>(
          std::count_if(other.cores.begin(), other.cores.end(),
                        [&](const core::CorePool& another) { return another.name == pool.name; }));
    }
    const auto training = std::min<int64_t>(sharing, unfinished);
    const int part = std::max(pool.cores / std::max(static_cast<int>(training), 1), 1);
    share = share == 0 ? part : std::min(share, part);
  }
  return share;
}

}  // namespace sluice::driver
