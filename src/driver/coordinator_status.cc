// What the coordinator tells of a job to those who ask.
#include <algorithm>
#include <utility>

#include "driver/coordinator.h"
#include "driver/job_status.h"

namespace sluice::driver {

using core::TimePoint;
using wire::Role;

namespace {

double ago(TimePoint then, TimePoint now) { return core::to_seconds(now - then); }

// The smallest of its pools bounds what its threads can have.
int64_t cores_of(const Member& member) {
  int64_t cores = 0;
  for (const core::CorePool& pool : member.cores) {
    cores = cores == 0 ? pool.cores : std::min<int64_t>(cores, pool.cores);
  }
  return cores;
}

}  // namespace

std::string Coordinator::phase_text() const {
  if (phase_ == Phase::kAborted) return "failed";
  if (!draining_.empty()) return "stopping";
  if (phase_ == Phase::kDone) return closed_ ? "done" : "reading the result";
  if (knobs_.paused) return "paused";
  return phase_ == Phase::kTraining ? "training" : "waiting for servers";
}

std::string Coordinator::state_of(const Member& member, TimePoint now) const {
  if (now - member.last_heard >= kSilent) return "silent";
  const bool worker = member.name.role == Role::kWorker;
  const bool paused = member.waiting_for == wire::kToBeResumed;
  if (paused && knobs_.paused) return "paused";
  if (!paused && !member.waiting_for.empty())
    return worker && member.partition < 0 ? "idle" : "waiting";
  if (!worker) return "serving";
  if (!member.asked) return "starting";
  return member.partition >= 0 ? "training" : "idle";
}

// Of its own pushes: others of the partition may be another worker's.
void Coordinator::add_lease(JobStatus& status, const Member& member, TimePoint now) const {
  const auto interval = leases_.find(member.lease);
  if (!interval) return;
  const int64_t first = member.begun ? member.first_push : interval->first;
  const int64_t steps = plan_->steps(member.partition, first, interval->last);
  const int64_t step = member.step - plan_->steps_before(member.partition, first);
  status.leases.push_back({.partition = member.partition,
                           .worker = member.name.index,
                           .first_push = first,
                           .last_push = interval->last,
                           .step = std::clamp<int64_t>(step, 0, steps),
                           .steps = steps,
                           .held_s = ago(member.leased, now)});
}

void Coordinator::add_status(JobStatus& status, TimePoint now) const {
  status.job.phase = phase_text();
  status.job.servers = servers_wanted_;
  status.job.workers = workers_wanted_;
  const WaitsFor waits = waits_for(now);
  if (!waits.whom.empty()) {
    status.waits = {waits.whom, waits.whom == said_ ? ago(said_since_, now) : 0,
                    waits.until ? core::to_seconds(*waits.until - now) : -1, waits.advice};
  }
  for (const auto& [id, member] : members_) {
    if (!member.alive) continue;
    const core::ProcessFacts& process = member.name.process;
    const bool waiting = !member.waiting_for.empty();
    status.members.push_back({.role = to_text(member.name.role),
                              .index = member.name.index,
                              .host = process.host,
                              .pid = process.pid,
                              .container = process.container,
                              .address = member.address,
                              .state = state_of(member, now),
                              .joined_s = ago(member.joined, now),
                              .heard_s = ago(member.last_heard, now),
                              .progress_s = ago(member.last_progress, now),
                              .waiting_for = member.waiting_for,
                              .waiting_s = waiting ? ago(member.waiting_since, now) : -1,
                              .cores = cores_of(member),
                              .gpu = member.gpu,
                              .peak_memory_bytes = member.peak_memory_bytes,
                              .traffic = member.traffic});
    if (member.partition < 0) continue;
    add_lease(status, member, now);
  }
  // Not in the order in which they joined: people look for numbers.
  std::ranges::sort(status.members, {}, [](const JobStatus::Member& member) {
    return std::pair(member.role, member.index);
  });
}

}  // namespace sluice::driver
