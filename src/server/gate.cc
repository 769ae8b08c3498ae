#include "server/gate.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace sluice::server {

void Gate::grant(int64_t partition, int64_t incarnation, int64_t member) {
  // A member has one lease at a time.
  std::erase_if(members_, [&](const auto& lease) { return lease.second == member; });
  members_[{partition, incarnation}] = member;
}

void Gate::set(const wire::Gate& gate) {
  if (gate.generation <= gate_.generation) return;
  Trainees trainees;
  for (const auto& [member, worker, clock] : gate.trainees) {
    const auto known = trainees_.find(member);
    trainees[member] = known != trainees_.end() ? known->second : Trainee{worker, clock};
  }
  gate_ = gate;
  trainees_ = std::move(trainees);
  std::erase_if(members_, [&](const auto& lease) { return !trainees_.contains(lease.second); });
  floor_ = floor_with(trainees_.end(), 0);
}

Gate::Trainees::const_iterator Gate::find(const wire::PushIdentity& id) const {
  const auto member = members_.find({id.partition, id.incarnation});
  return member == members_.end() ? trainees_.end() : trainees_.find(member->second);
}

int64_t Gate::floor_with(Trainees::const_iterator member, int64_t clock) const {
  std::vector<int64_t> clocks;
  for (auto one = trainees_.begin(); one != trainees_.end(); ++one) {
    const int64_t its = one == member ? std::max(clock, one->second.clock) : one->second.clock;
    if (its >= 0) clocks.push_back(its);
  }
  if (clocks.empty()) return floor_;
  const auto skipped = std::min(backups_, static_cast<int64_t>(clocks.size()) - 1);
  std::nth_element(clocks.begin(), clocks.begin() + skipped, clocks.end());
  return std::max(floor_, clocks[static_cast<size_t>(skipped)]);
}

bool Gate::is_superseded(const wire::PushIdentity& id, int64_t clock) const {
  return rounds_ && backups_ > 0 && clock <= floor_ && find(id) != trainees_.end();
}

bool Gate::would_end_round(const wire::PushIdentity& id, int64_t clock) const {
  if (!rounds_) return false;
  return trainees_.empty() || floor_with(find(id), clock) > stepped_;
}

void Gate::count(const wire::PushIdentity& id, int64_t clock) noexcept {
  const auto member = find(id);
  if (member == trainees_.end()) return;
  floor_ = floor_with(member, clock);
  Trainee& trainee = trainees_.find(member->first)->second;
  trainee.clock = std::max(trainee.clock, clock);
}

bool Gate::round_is_complete() const { return rounds_ && (trainees_.empty() || floor_ > stepped_); }

bool Gate::may_answer(const wire::PushIdentity& id, int64_t clock) const {
  if (find(id) == trainees_.end()) return true;  // it trains no more
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
