#include "server/gate.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::server {

bool Gate::set(const wire::Gate& gate) {
  if (gate.generation <= generation_) return true;
  if (gate.since > generation_) return false;
  if (gate.since > 0) {
    clocks_.reserve(trainees_.size() + gate.trainees.size());
    for (const auto& [member, worker, clock] : gate.trainees) {
      const auto [trainee, is_new] = trainees_.try_emplace(member, Trainee{worker, clock});
      if (!is_new || clock < 0) continue;
      ++counts_.known;
      if (clock <= floor_) ++counts_.behind;
    }
    generation_ = gate.generation;
    max_staleness_ = gate.max_staleness;
    return true;
  }
  Trainees trainees;
  for (const auto& [member, worker, clock] : gate.trainees) {
    const auto known = trainees_.find(member);
    trainees[member] = known != trainees_.end() ? known->second : Trainee{worker, clock};
  }
  clocks_.reserve(trainees.size());
  generation_ = gate.generation;
  max_staleness_ = gate.max_staleness;
  trainees_ = std::move(trainees);
  counts_ = count_all();
  if (must_rise(counts_)) raise_floor();
  return true;
}

Gate::Counts Gate::count_all() const {
  Counts counts;
  for (const auto& [member, trainee] : trainees_) {
    if (trainee.clock < 0) continue;
    ++counts.known;
    if (trainee.clock <= floor_) ++counts.behind;
  }
  return counts;
}

Gate::Counts Gate::counts_with(const Trainee& trainee, int64_t clock) const {
  Counts counts = counts_;
  if (trainee.clock < 0) {
    ++counts.known;
  } else if (trainee.clock <= floor_) {
    --counts.behind;
  }
  if (std::max(clock, trainee.clock) <= floor_) ++counts.behind;
  return counts;
}

// As many trainees are at or below the floor as are not waited for, and one more. So a push looks
// at its worker's clock alone, and a pass over all is made as often as the floor rises.
bool Gate::must_rise(const Counts& counts) const {
  return counts.behind < std::min(backups_ + 1, counts.known);
}

void Gate::raise_floor() noexcept {
  clocks_.clear();
  for (const auto& [member, trainee] : trainees_) {
    if (trainee.clock >= 0) clocks_.push_back(trainee.clock);
  }
  const auto slowest = clocks_.begin() + std::min(backups_, std::ssize(clocks_) - 1);
  std::nth_element(clocks_.begin(), slowest, clocks_.end());
  floor_ = std::max(floor_, *slowest);
  counts_ = count_all();
}

bool Gate::is_superseded(int64_t member, int64_t clock) const {
  return rounds_ && backups_ > 0 && clock <= floor_ && trainees_.contains(member);
}

bool Gate::would_end_round(int64_t member, int64_t clock) const {
  if (!rounds_) return false;
  if (trainees_.empty() || floor_ > stepped_) return true;
  const auto trainee = trainees_.find(member);
  return trainee != trainees_.end() && must_rise(counts_with(trainee->second, clock));
}

void Gate::count(int64_t member, int64_t clock) noexcept {
  const auto trainee = trainees_.find(member);
  if (trainee == trainees_.end()) return;
  counts_ = counts_with(trainee->second, clock);
  trainee->second.clock = std::max(trainee->second.clock, clock);
  if (must_rise(counts_)) raise_floor();
}

bool Gate::round_is_complete() const { return rounds_ && (trainees_.empty() || floor_ > stepped_); }

bool Gate::may_answer(int64_t member, int64_t clock) const {
  if (!trainees_.contains(member)) return true;  // it trains no more
  if (rounds_) return clock <= floor_ && !round_is_complete();
  return max_staleness_ < 0 || clock - floor_ <= max_staleness_;
}

void Gate::add_state(wire::LedgerState& state) const {
  state.gate.generation = generation_;
  state.gate.max_staleness = max_staleness_;
  for (const auto& [member, trainee] : trainees_) {
    state.gate.trainees.push_back({member, trainee.worker, trainee.clock});
  }
  state.floor = floor_;
  state.stepped = stepped_;
}

void Gate::adopt(const wire::LedgerState& state) {
  trainees_.clear();
  for (const auto& [member, worker, clock] : state.gate.trainees) {
    trainees_[member] = {worker, clock};
  }
  clocks_.reserve(trainees_.size());
  generation_ = state.gate.generation;
  max_staleness_ = state.gate.max_staleness;
  floor_ = state.floor;
  stepped_ = state.stepped;
  counts_ = count_all();
}

std::vector<wire::LedgerReply::Trainee> Gate::report() const {
  std::vector<wire::LedgerReply::Trainee> result;
  result.reserve(trainees_.size());
  for (const auto& [member, trainee] : trainees_) {
    result.push_back({.worker = trainee.worker, .clock = trainee.clock});
  }
  return result;
}

std::string Gate::slowest() const {
  std::vector<int> workers;
  for (const auto& [member, trainee] : trainees_) {
    if (trainee.clock >= 0 && trainee.clock <= floor_) workers.push_back(trainee.worker);
  }
  if (workers.empty() || workers.size() == trainees_.size()) return "";
  std::sort(workers.begin(), workers.end());
  std::string text = workers.size() == 1 ? "worker " : "workers ";
  constexpr size_t kMostNamed = 3;
  for (size_t i = 0; i < workers.size() && i < kMostNamed; ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(workers[i]);
  }
  if (workers.size() > kMostNamed) {
    text += fmt::format(" and {} others", workers.size() - kMostNamed);
  }
  return text;
}

}  // namespace sluice::server
