#include "driver/placement.h"

#include <algorithm>

namespace sluice::driver {

using wire::Role;

namespace {

// The same for all processes of one machine: its boot id or, where that is not known, the host
// name.
const std::string& machine_of(const core::ProcessFacts& process) {
  return process.machine.empty() ? process.host : process.machine;
}

}  // namespace

bool Placement::Numbers::is_free(int number) const {
  const auto behind = free_.upper_bound(number);
  return behind != free_.begin() && std::prev(behind)->second >= number;
}

void Placement::Numbers::take(int number) {
  if (!is_free(number)) return;
  const auto run = std::prev(free_.upper_bound(number));
  const auto [first, last] = *run;
  free_.erase(run);
  if (first < number) free_.emplace(first, number - 1);
  if (number < last) free_.emplace(number + 1, last);
}

void Placement::Numbers::release(int number) {
  if (is_free(number)) return;
  int first = number, last = number;
  auto next = free_.upper_bound(number);
  if (next != free_.begin() && std::prev(next)->second == number - 1) {
    first = std::prev(next)->first;
    next = free_.erase(std::prev(next));
  }
  if (next != free_.end() && next->first == number + 1) {
    last = next->second;
    free_.erase(next);
  }
  free_.emplace(first, last);
}

void Placement::add(const Member& member) {
  const std::string& machine = machine_of(member.name.process);
  indices_[static_cast<size_t>(member.name.role)].take(member.name.index);
  slots_[{member.name.role, machine}].take(member.slot);
  if (!member.gpu.empty()) ++gpus_[member.gpu];
  for (const core::CorePool& pool : member.cores) ++pools_[{machine, pool.name}];
}

void Placement::remove(const Member& member) {
  const std::string& machine = machine_of(member.name.process);
  indices_[static_cast<size_t>(member.name.role)].release(member.name.index);
  slots_[{member.name.role, machine}].release(member.slot);
  if (!member.gpu.empty()) --gpus_[member.gpu];
  for (const core::CorePool& pool : member.cores) --pools_[{machine, pool.name}];
}

int Placement::free_index(Role role, int preferred, int servers) {
  const Numbers& numbers = indices_[static_cast<size_t>(role)];
  const int limit = role == Role::kServer ? servers : kMostWorkers;
  const bool may_have = preferred >= 0 && preferred < limit && numbers.is_free(preferred);
  return may_have ? preferred : numbers.lowest();
}

int Placement::free_slot(Role role, const core::ProcessFacts& process) {
  return slots_[{role, machine_of(process)}].lowest();
}

std::string Placement::free_gpu(const std::vector<std::string>& gpus) const {
  const auto holders = [this](const std::string& gpu) {
    const auto held = gpus_.find(gpu);
    return held == gpus_.end() ? 0 : held->second;
  };
  const auto freest = std::ranges::min_element(gpus, {}, holders);
  return freest == gpus.end() ? "" : *freest;
}

int Placement::share_of_cores(const Member& member, int64_t unfinished) const {
  const std::string& machine = machine_of(member.name.process);
  int share = 0;
  for (const core::CorePool& pool : member.cores) {
    const auto sharing = pools_.find({machine, pool.name});
    const int64_t all = sharing == pools_.end() ? 0 : sharing->second;
    const auto training = static_cast<int>(std::min(all, unfinished));
    const int part = std::max(pool.cores / std::max(training, 1), 1);
    share = share == 0 ? part : std::min(share, part);
  }
  return share;
}

}  // namespace sluice::driver
