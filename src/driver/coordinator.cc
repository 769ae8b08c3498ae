#include "driver/coordinator.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "driver/placement.h"

namespace sluice::driver {

using core::TimePoint;
using wire::Role;

namespace {

// Something happens at least so often, so that it shows when the driver was suspended.
constexpr core::Duration kPulse = std::chrono::seconds(1);
constexpr core::Duration kShortestPulse = std::chrono::milliseconds(10);

// So that they can be added to the time.
CoordinatorOptions bounded(CoordinatorOptions options) {
  for (core::Duration* timeout :
       {&options.lease_timeout, &options.server_timeout, &options.name_stalled_after,
        &options.stall_timeout, &options.idle_timeout, &options.gather}) {
    *timeout = core::bounded(*timeout);
  }
  return options;
}

std::shared_ptr<const PushPlan> single_pushes(size_t partitions) {
  const std::vector<int64_t> ones(partitions, 1);
  return std::make_shared<PushPlan>(ones, ones, 1, [](int64_t push, int64_t) { return push; });
}

}  // namespace

Coordinator::Coordinator(CoordinatorOptions options, TimePoint now)
    : options_(bounded(std::move(options))),
      workers_wanted_(options_.workers),
      needed_(options_.servers),
      servers_wanted_(options_.servers),
      // Different in every job: members of a driver that was here before must not pass for ours.
      next_member_(static_cast<int64_t>(options_.job >> 2) + 1),
      plan_(options_.plan ? options_.plan : single_pushes(options_.partition_records.size())),
      leases_(*plan_),
      idle_since_(now),
      pulse_(std::clamp<core::Duration>(options_.lease_timeout / 4, kShortestPulse, kPulse)),
      last_event_(now),
      due_(now) {
  gate_.max_staleness = knobs_.max_staleness = options_.max_staleness;
}

bool Coordinator::servers_ready() const { return has_servers(needed_); }

void Coordinator::start_training(wire::ShardMap shard_map, TimePoint now) {
  if (phase_ != Phase::kWaitingForServers) return;
  shard_map_ = std::move(shard_map);
  phase_ = Phase::kTraining;
  idle_since_ = now;
  epoch_began_ = now;
  gather_until_ = now + options_.gather;
  gathering_ = now < gather_until_ && live(Role::kWorker) < workers_wanted_;
  happened(TrainingStarted{}, now);
  plan(now);
  say_waits(now);
}

void Coordinator::tick(TimePoint now) {
  excuse(now);
  if (now < due_) return;
  for (auto& [id, member] : members_) {
    if (member.alive) expire(member, now);
  }
  if (now >= idle_until()) {
    abort(fmt::format("waited {} s for {}", core::whole_seconds(options_.idle_timeout),
                      waits_for(now).whom),
          now);
  }
  if (now >= gather_until_) gathering_ = false;
  for (auto& [id, member] : members_) look_at(member, now);
  plan(now);
  say_waits(now);
}

// Called first by every event. When the last one was much longer ago than a pulse, the driver was
// suspended and could hear nobody: no timeout counts that time.
void Coordinator::excuse(TimePoint now) {
  ++events_;
  const core::Duration gap = now - std::exchange(last_event_, now);
  if (gap <= 2 * pulse_) return;
  for (auto& [id, member] : members_) {
    member.last_heard = std::min(member.last_heard + gap, now);
    member.last_progress = std::min(member.last_progress + gap, now);
  }
  idle_since_ = std::min(idle_since_ + gap, now);
  ungranted_.since = std::min(ungranted_.since + gap, now);
  due_ = now;
}

// Whether the job cannot go on for want of servers or workers.
bool Coordinator::is_idle() const {
  if (phase_ == Phase::kWaitingForServers) return !servers_ready();
  return phase_ == Phase::kTraining && !knobs_.paused &&
         (live(Role::kWorker) == 0 || (too_few_workers() && leases_.held() == 0));
}

TimePoint Coordinator::idle_until() const {
  return is_idle() ? idle_since_ + options_.idle_timeout : TimePoint::max();
}

void Coordinator::plan(TimePoint now) {
  due_ = idle_until();
  if (gathering_) due_ = std::min(due_, gather_until_);
  for (const auto& [id, member] : members_) due_ = std::min(due_, next_event_of(member, now));
}

TimePoint Coordinator::next_event() const {
  return due_ == TimePoint::max() ? due_ : std::min(due_, last_event_ + pulse_);
}

TimePoint Coordinator::next_event_of(const Member& member, TimePoint now) const {
  if (!member.alive) return TimePoint::max();
  TimePoint at = member.last_heard + timeout_of(member);
  if (may_stall(member)) at = std::min(at, member.last_progress + options_.stall_timeout);
  for (const TimePoint named : {silent_at(member), stalled_at(member)}) {
    if (named > now) at = std::min(at, named);
  }
  return at;
}

Status Coordinator::may_have(int64_t workers) const {
  if (over() || !draining_.empty()) return failed_precondition("the job is ending");
  if (workers < options_.min_workers) {
    return invalid_argument(fmt::format("expected at least {} worker(s), by --min-workers, got {}",
                                        options_.min_workers, workers));
  }
  const bool by_flag = options_.max_workers > 0 &&
                       (options_.most_workers == 0 || options_.max_workers < options_.most_workers);
  const int most = by_flag ? options_.max_workers : options_.most_workers;
  if (workers > (most > 0 ? most : kMostWorkers)) {
    return invalid_argument(fmt::format("expected at most {} worker(s){}, got {}",
                                        most > 0 ? most : kMostWorkers,
                                        by_flag    ? ", by --max-workers"
                                        : most > 0 ? ", by the trainer"
                                                   : "",
                                        workers));
  }
  return ok_status();
}

Status Coordinator::scale(int64_t workers, TimePoint now) {
  SLUICE_RETURN_IF_ERROR(may_have(workers));
  set_workers_wanted(static_cast<int>(workers), now);
  happened(WorkersWanted{workers_wanted_}, now);
  return ok_status();
}

void Coordinator::set_workers_wanted(int workers, TimePoint now) {
  workers_wanted_ = workers;
  if (live(Role::kWorker) >= workers_wanted_) gathering_ = false;
  say_waits(now);
}

void Coordinator::set_knobs(const wire::Knobs& knobs, TimePoint now) {
  excuse(now);
  const bool resumed = knobs_.paused && !knobs.paused;
  if (!knobs_.paused && knobs.paused) {
    paused_since_ = now;
    ungranted_ = {};  // nobody asks for a lease any more
  }
  knobs_ = knobs;
  if (gate_.max_staleness != knobs.max_staleness) {
    gate_.max_staleness = knobs.max_staleness;
    gate_changed();
  }
  for (auto& [id, member] : members_) {
    if (!member.alive || member.name.role != Role::kWorker) continue;
    news_.insert(id);
    if (resumed) {
      member.last_progress = now;
      member.pace.held(paused_since_, now);
    }
    look_at(member, now);
  }
  if (resumed) idle_since_ = now;
  plan(now);
  say_waits(now);
}

void Coordinator::drain(const std::string& reason, TimePoint now) {
  if (over() || !draining_.empty()) return;
  draining_ = reason;
  for (const auto& [id, member] : members_) {
    if (member.alive && member.name.role == wire::Role::kWorker) news_.insert(id);
  }
  happened(JobStopping{reason}, now);
}

void Coordinator::abort(const std::string& reason, TimePoint now) {
  if (!over()) fail(reason, now);
}

void Coordinator::fail(const std::string& reason, TimePoint now) {
  phase_ = Phase::kAborted;
  abort_reason_ = reason;
  for (const auto& [id, member] : members_) {
    if (member.alive) news_.insert(id);
  }
  say_waits(now);
  happened(JobEnding{{StatusCode::kAborted, reason}}, now);
}

void Coordinator::close() {
  closed_ = true;
  for (const auto& [id, member] : members_) {
    if (member.alive) news_.insert(id);
  }
}

void Coordinator::happened(decltype(JobEvent::what) what, TimePoint now) {
  told_.push_back({now, std::move(what)});
}

std::vector<JobEvent> Coordinator::take_events() { return std::exchange(told_, {}); }

std::set<int64_t> Coordinator::take_news() { return std::exchange(news_, {}); }

}  // namespace sluice::driver
