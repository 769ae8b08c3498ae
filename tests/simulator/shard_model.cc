#include "tests/simulator/shard_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::simulator {

void ShardModel::set_gate(const wire::Gate& gate) {
  if (gate.generation <= generation_ || gate.since > generation_) return;
  generation_ = gate.generation;
  max_staleness_ = gate.max_staleness;
  std::map<int64_t, int64_t> clocks;
  if (gate.since > 0) clocks = clocks_;
  for (const auto& trainee : gate.trainees) {
    const auto known = clocks_.find(trainee.member);
    clocks[trainee.member] = known == clocks_.end() ? trainee.clock : known->second;
  }
  clocks_ = std::move(clocks);
  raise_floor();
}

void ShardModel::go_on_with(const ShardModel& other, int64_t floor) {
  generation_ = other.generation_;
  max_staleness_ = other.max_staleness_;
  clocks_ = other.clocks_;
  floor_ = floor;
  stepped_ = other.stepped_;
  raise_floor();
}

bool ShardModel::must_supersede(const wire::PushHeader& header) const {
  return rules_.rounds && rules_.backups > 0 && clocks_.contains(header.member) &&
         header.clock <= floor_;
}

void ShardModel::apply(const wire::PushHeader& header, std::span<const float> update) {
  ++applied_;
  if (!update.empty()) {
    for (size_t i = 0; i < kept_.size(); ++i) kept_[i] += update[i];
    ++kept_pushes_;
    kept_steps_ += header.steps;
  }
  advance(header);
}

void ShardModel::supersede(const wire::PushHeader& header) {
  ++superseded_;
  advance(header);
}

void ShardModel::repeat(const wire::PushHeader& header) { advance(header); }

bool ShardModel::may_answer(const wire::PushHeader& header) const {
  if (!clocks_.contains(header.member)) return true;
  if (rules_.rounds) return header.clock <= floor_;
  return max_staleness_ < 0 || header.clock - floor_ <= max_staleness_;
}

void ShardModel::advance(const wire::PushHeader& header) {
  const auto clock = clocks_.find(header.member);
  if (clock != clocks_.end()) clock->second = std::max(clock->second, header.clock);
  raise_floor();
}

// All whose clock is known have pushed the floor's window, but for the backups.
void ShardModel::raise_floor() {
  std::vector<int64_t> known;
  for (const auto& [member, clock] : clocks_) {
    if (clock >= 0) known.push_back(clock);
  }
  std::sort(known.begin(), known.end());
  if (!known.empty()) {
    const size_t waited_for = std::min(static_cast<size_t>(rules_.backups), known.size() - 1);
    floor_ = std::max(floor_, known[waited_for]);
  }
  const bool all = applied_ + superseded_ == rules_.pushes;
  if (!rules_.rounds || clocks_.empty() || floor_ > stepped_ || all) step();
}

void ShardModel::step() {
  stepped_ = floor_;
  if (kept_pushes_ == 0) return;
  for (size_t i = 0; i < values_.size(); ++i) values_[i] += std::exchange(kept_[i], 0);
  kept_pushes_ = 0;
  values_version_ = applied_ + superseded_;
  const int64_t steps = std::exchange(kept_steps_, 0);
  if (!rules_.ema_momentum || (steps == 0 && averages_.empty())) return;
  // From the second push with steps on m^k of the old averages are kept.
  const double kept =
      averages_.empty() ? 0 : std::pow(*rules_.ema_momentum, static_cast<double>(steps));
  averages_.resize(values_.size());
  for (size_t i = 0; i < averages_.size(); ++i) {
    averages_[i] = kept * averages_[i] + (1 - kept) * static_cast<double>(values_[i]);
  }
}

}  // namespace sluice::simulator
