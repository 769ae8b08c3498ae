// Who gets which pushes: lower epochs first, each worker as much as its speed is of all workers'
// speed, and whoever has nothing to do a part of what would be finished last.
#include <algorithm>
#include <cmath>

#include "driver/coordinator.h"

namespace sluice::driver {

using core::TimePoint;
using Interval = LeaseTable::Interval;

namespace {

// A lease takes at least so long, where there is as much, and several epochs together at most.
constexpr double kShortestLease = 0.25, kShortEpochs = 1;  // seconds
// What it takes until the taker of a part trains it, and how much sooner all must be done with it.
constexpr double kHandOver = 0.1, kWorthIt = 0.25;  // seconds
// Of the free intervals of an epoch, how many are looked at.
constexpr size_t kMostLookedAt = 64;
// So that the ledgers of shards, which are as much in pieces, stay far from their bound.
constexpr size_t kMostLeases = size_t{1} << 12;
// A worker so much slower than the others is named, if the epoch took so long that it matters.
constexpr double kStragglerFrom = 1.5;
constexpr core::Duration kShortestNamed = std::chrono::seconds(1);

bool is_live_worker(const Member& member) {
  return member.alive && member.name.role == wire::Role::kWorker;
}

}  // namespace

// A part of what others hold of an epoch before the first one that is free: there is no barrier,
// but what is begun first should end first.
std::optional<Interval> Coordinator::choose(Member& member, TimePoint now) {
  if (!options_.divides) {
    return leases_.any_free() ? std::optional(next_free(member, now)) : std::nullopt;
  }
  const int free_epoch = leases_.any_free() ? leases_.free_epoch() : plan_->epochs();
  if (const auto cut = worth_taking(member, free_epoch, now)) {
    leases_.cut(cut->holder->lease, cut->back.first);
    cut->holder->given += cut->back.size();
    cut->holder->given_in_epoch += cut->back.size();
    cut->holder->had_last = cut->back.first - 1;
    news_.insert(cut->holder->id);
    happened(LeaseCut{cut->holder->name, member.name, cut->back.partition, cut->back.first,
                      cut->back.last},
             now);
    return cut->back;
  }
  if (!leases_.any_free()) return std::nullopt;
  return share_of(member, now);
}

// Its share, by speed, of what is left of the epoch. As long as no speed is known, one epoch of a
// partition; and several epochs when they are over at once.
Interval Coordinator::share_of(const Member& member, TimePoint now) {
  const Interval free = next_free(member, now);
  const int epoch = leases_.free_epoch();
  Interval share = free;
  share.last = std::min(free.last, plan_->epoch_end(free.partition, epoch));
  const double all = overview(now).mean_speed * live(wire::Role::kWorker);
  const double speed = speed_of(member, now);
  if (all <= 0) return share;
  const double seconds = std::max(steps_left(epoch, now) / all, kShortestLease);
  const auto pushes_in = [&](double time) {
    return static_cast<int64_t>(std::min(std::ceil(speed * time / plan_->steps_per_push()), 1e15));
  };
  const int64_t size = std::max<int64_t>(pushes_in(seconds), 1);
  if (size + pushes_in(kShortestLease) < share.size()) {
    share.last = share.first + size - 1;
    return share;
  }
  for (int next = epoch + 1; next < plan_->epochs() && share.last < free.last; ++next) {
    const int64_t end = std::min(free.last, plan_->epoch_end(free.partition, next));
    const auto steps = static_cast<double>(plan_->steps(free.partition, share.first, end));
    if (steps > speed * kShortEpochs) break;
    share.last = end;
  }
  return share;
}

// What follows what it had: it has the data. Else a partition that nobody trains, best one that
// nobody has had.
Interval Coordinator::next_free(const Member& member, TimePoint now) {
  if (const auto own = leases_.free_of(member.had, member.had_last + 1)) return *own;
  const std::map<int64_t, int>& had = overview(now).had;
  const auto others_had = [&](int64_t partition) {
    const auto workers = had.find(partition);
    return workers != had.end() && workers->second > (member.had == partition ? 1 : 0);
  };
  const std::vector<Interval> free = leases_.free_in_epoch(kMostLookedAt);
  return *std::min_element(free.begin(), free.end(), [&](const Interval& a, const Interval& b) {
    const auto cost = [&](const Interval& of) {
      return (leases_.is_held(of.partition) ? 2 : 0) + (others_had(of.partition) ? 1 : 0);
    };
    return cost(a) < cost(b);
  });
}

std::optional<Coordinator::Cut> Coordinator::worth_taking(const Member& member, int before_epoch,
                                                          TimePoint now) {
  const double speed = speed_of(member, now);
  if (speed <= 0 || before_epoch <= leases_.epoch() || leases_.held() >= kMostLeases) {
    return std::nullopt;
  }
  std::vector<Overview::End>* const ends = ends_last(before_epoch, now);
  if (ends == nullptr) return std::nullopt;
  auto cut = divided(members_.at(ends->back().holder), speed, now);
  if (cut) ends->pop_back();  // until all are looked at again, others take from others
  return cut;
}

// Of the leases in force that begin before that epoch, those of the epoch that has the one which
// ends last, as the last of them; null: there is none. What is no longer in force is dropped.
std::vector<Coordinator::Overview::End>* Coordinator::ends_last(int before_epoch, TimePoint now) {
  (void)overview(now);
  std::vector<Overview::End>* last = nullptr;
  for (auto& [epoch, ends] : overview_.ends) {
    if (epoch >= before_epoch) break;
    const auto is_over = [this](const Overview::End& end) {
      const Member& holder = members_.at(end.holder);
      return !holder.begun || holder.partition < 0 || holder.lease != end.lease;
    };
    while (!ends.empty() && is_over(ends.back())) ends.pop_back();
    if (ends.empty()) continue;
    if (last == nullptr || ends.back().in_s > last->back().in_s) last = &ends;
  }
  return last;
}

// The holder keeps the front, with the window that it is at, and both are done at the same time.
std::optional<Coordinator::Cut> Coordinator::divided(Member& holder, double taker_speed,
                                                     TimePoint now) const {
  Interval its = *leases_.find(holder.lease);
  const auto steps_before = [&](int64_t push) {
    return static_cast<double>(plan_->steps_before(its.partition, push));
  };
  const auto push_at = [&](double step) {
    return plan_->push_at(its.partition, static_cast<int64_t>(std::ceil(step)), its.first,
                          its.last);
  };
  const double speed = holder.pace.steps_per_second(now), all = steps_before(its.last + 1);
  const double position = std::clamp(holder.pace.position(now), steps_before(its.first), all);
  const double rest = all - position;
  const double kept = (rest / taker_speed + kHandOver) / (1 / speed + 1 / taker_speed);
  const int64_t from = std::max(push_at(std::min(position + kept, all)), push_at(position + 1));
  if (from > its.last || from <= its.first) return std::nullopt;
  const double end = std::max((steps_before(from) - position) / speed,
                              kHandOver + (all - steps_before(from)) / taker_speed);
  if (rest / speed - end < kWorthIt) return std::nullopt;
  its.first = from;
  return Cut{&holder, its};
}

// Of one that is not known yet, the mean of those that are; 0: none is known.
double Coordinator::speed_of(const Member& member, TimePoint now) {
  const double speed = member.pace.steps_per_second(now);
  return speed > 0 ? speed : overview(now).mean_speed;
}

// Steps of the epoch that are not trained, as far as is known.
double Coordinator::steps_left(int epoch, TimePoint now) {
  const double steps = static_cast<double>(leases_.left(epoch)) * plan_->steps_per_push();
  const auto trained = overview(now).trained.find(epoch);
  return std::max(steps - (trained == overview_.trained.end() ? 0 : trained->second), 0.0);
}

const Coordinator::Overview& Coordinator::overview(TimePoint now) {
  constexpr int64_t kShare = 16;
  const bool fresh = overview_at_ >= 0 && (events_ - overview_at_) * kShare < std::ssize(members_);
  if (fresh) return overview_;
  overview_at_ = events_;
  overview_ = {};
  int known = 0;
  for (const auto& [id, member] : members_) {
    if (!is_live_worker(member)) continue;
    ++overview_.had[member.had];
    const double speed = member.pace.steps_per_second(now);
    if (speed > 0) {
      overview_.mean_speed += speed;
      ++known;
    }
    if (member.partition < 0 || !member.begun) continue;
    const auto its = leases_.find(member.lease);
    const auto before = static_cast<double>(plan_->steps_before(its->partition, its->first));
    const auto all = static_cast<double>(plan_->steps_before(its->partition, its->last + 1));
    const double position = member.pace.position(now);
    const int epoch = plan_->epoch_of(its->partition, its->first);
    overview_.trained[epoch] += std::clamp(position - before, 0.0, all - before);
    if (speed > 0) overview_.ends[epoch].push_back({(all - position) / speed, id, member.lease});
  }
  if (known > 0) overview_.mean_speed /= known;
  for (auto& [epoch, ends] : overview_.ends) std::ranges::sort(ends, {}, &Overview::End::in_s);
  return overview_;
}

void Coordinator::name_stragglers(int epoch, TimePoint now) {
  const bool short_one = now - std::exchange(epoch_began_, now) < kShortestNamed;
  std::vector<double> speeds;
  for (const auto& [id, member] : members_) {
    if (is_live_worker(member)) speeds.push_back(member.pace.steps_per_second(now));
  }
  std::sort(speeds.begin(), speeds.end());
  for (auto& [id, member] : members_) {
    const int64_t given = std::exchange(member.given_in_epoch, 0);
    const double speed = member.pace.steps_per_second(now);
    if (!is_live_worker(member) || speed <= 0 || short_one || speeds.size() < 2) continue;
    // The median of the others: this one is below the middle of all, if it is a straggler.
    const double others = speeds[speeds.size() / 2];
    if (others < kStragglerFrom * speed) continue;
    member.times_slower = std::max(member.times_slower, others / speed);
    happened(Straggler{member.name, epoch, others / speed, given}, now);
  }
}

}  // namespace sluice::driver
