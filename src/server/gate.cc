#include "server/gate.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

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
  std::vector<int64_t> clocks;
  for (const auto& [id, trainee] : trainees_) {
    const int64_t its = id == member ? std::max(clock, trainee.clock) : trainee.clock;
    if (its >= 0) clocks.push_back(its);
  }
  if (clocks.empty()) return floor_;
  const auto skipped = std::min(backups_, static_cast<int64_t>(clocks.size()) - 1);
  std::nth_element(clocks.begin(), clocks.begin() + skipped, clocks.end());
  return std::max(floor_, clocks[static_cast<size_t>(skipped)]);
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
