#include "server/gate.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::server {

void Gate::set(const wire::Gate& gate) {
  if (gate.generation <= gate_.generation) return;
  Trainees trainees;
  for (const auto& [member, worker, clock] : gate.trainees) {
    const auto known = trainees_.find(member);
    trainees[member] = known != trainees_.end() ? known->second : Trainee{worker, clock};
  }
  gate_ = gate;
  trainees_ = std::move(trainees);
  floor_ = floor_with(/*member=*/-1, 0);
}

int64_t Gate::floor_with(int64_t member, int64_t clock) const {
  const auto clock_of = [&](const auto& one) {
    return one.first == member ? std::max(clock, one.second.clock) : one.second.clock;
  };
  const auto known = std::count_if(trainees_.begin(), trainees_.end(),
                                   [&](const auto& one) { return clock_of(one) >= 0; });
  // The least clock that as many trainees are at or below as are not waited for, and one more.
  // Found without a list of them, which would take memory: count() must not fail.
  const auto needed = std::min<int64_t>(backups_ + 1, known);
  int64_t found = -1;
  for (const auto& candidate : trainees_) {
    const int64_t its = clock_of(candidate);
    if (its < 0 || (found >= 0 && its >= found)) continue;
    const auto up_to = std::count_if(trainees_.begin(), trainees_.end(), [&](const auto& one) {
      return clock_of(one) >= 0 && clock_of(one) <= its;
    });
    if (up_to >= needed) found = its;
  }
  return std::max(floor_, found);
}

bool Gate::is_superseded(int64_t member, int64_t clock) const {
  return rounds_ && backups_ > 0 && clock <= floor_ && trainees_.contains(member);
}

bool Gate::would_end_round(int64_t member, int64_t clock) const {
  if (!rounds_) return false;
  return trainees_.empty() || floor_with(member, clock) > stepped_;
}

void Gate::count(int64_t member, int64_t clock) noexcept {
  const auto trainee = trainees_.find(member);
  if (trainee == trainees_.end()) return;
  floor_ = floor_with(member, clock);
  trainee->second.clock = std::max(trainee->second.clock, clock);
}

bool Gate::round_is_complete() const { return rounds_ && (trainees_.empty() || floor_ > stepped_); }

bool Gate::may_answer(int64_t member, int64_t clock) const {
  if (!trainees_.contains(member)) return true;  // it trains no more
  if (rounds_) return clock <= floor_ && !round_is_complete();
  return gate_.max_staleness < 0 || clock - floor_ <= gate_.max_staleness;
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
