// Leases: granted, renewed by heartbeats, finished.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "driver/coordinator.h"
#include "driver/placement.h"
#include "driver/server_addresses.h"

namespace sluice::driver {

using core::TimePoint;

namespace {

// A worker that got no lease asks again within this time.
constexpr core::Duration kAskedAgain = std::chrono::seconds(10);

// For the member itself, which says so to people: its number would tell them nothing.
Status unknown_member() {
  return not_found(
      "the driver does not know this process any more (it was given up for dead, or is of another "
      "job)");
}

}  // namespace

Result<wire::AcquireReply> Coordinator::acquire(const wire::AcquireRequest& request,
                                                TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member();
  member->last_progress = now;
  member->asked = true;
  // It may ask although it holds a lease: the answer to its last call was lost.
  if (phase_ == Phase::kTraining) requeue(*member);
  wire::AcquireReply reply;
  if (phase_ == Phase::kAborted) {
    reply.kind = wire::AcquireReply::Kind::kAbort;
    reply.reason = abort_reason_;
  } else if (phase_ == Phase::kDone) {
    reply.kind = wire::AcquireReply::Kind::kDone;
  } else if (!draining_.empty()) {
    reply.kind = wire::AcquireReply::Kind::kAbort;
    reply.reason = draining_;
  } else if (phase_ == Phase::kWaitingForServers) {
    reply.reason = waits_for(now).whom;
  } else if (knobs_.paused) {
    reply.reason = wire::kToBeResumed;
  } else if (moving_) {
    reply.reason = "the parameters to go to other servers";
  } else if (gathering_) {
    reply.reason = missing_members().whom;
  } else if (too_few_workers()) {
    reply.reason = waits_for(now).whom;
  } else if (const auto interval = choose(*member, now)) {
    reply = grant(*member, *interval, now);
  } else {
    reply.reason = whom_idle_workers_wait_for();
  }
  // Others must not wait for who has nothing to train.
  if (reply.kind != wire::AcquireReply::Kind::kGranted) end_training(*member);
  happened_to(*member, now);
  return reply;
}

wire::AcquireReply Coordinator::grant(Member& member, const LeaseTable::Interval& interval,
                                      TimePoint now) {
  member.lease = leases_.take(interval, member.id);
  member.partition = interval.partition;
  member.begun = false;
  member.leased = now;
  member.step = 0;
  member.last_progress = now;
  ++member.leases;
  // Who is there before anybody trains is waited for from the first window on.
  const bool first = !std::exchange(anybody_granted_, true);
  if (first) {
    for (auto& [id, other] : members_) {
      if (other.alive && other.name.role == wire::Role::kWorker) begin_training(other, 0);
    }
  }
  begin_training(member, -1);
  wire::AcquireReply reply;
  reply.kind = wire::AcquireReply::Kind::kGranted;
  reply.lease = {interval.partition, member.lease.incarnation, interval.first,
                 options_.partition_records[static_cast<size_t>(interval.partition)],
                 interval.last};
  reply.parameters = placement_for(member);
  reply.threads = placement_.share_of_cores(member, leases_.left());
  return reply;
}

std::vector<wire::Lease> Coordinator::leases_left() {
  std::vector<wire::Lease> leases;
  for (const LeaseTable::Interval& interval : leases_.touched()) {
    const LeaseTable::Key key = leases_.take(interval, /*holder=*/-1);
    leases.push_back({interval.partition, key.incarnation, interval.first, 0, interval.last});
    leases_.release(key);
  }
  return leases;
}

bool Coordinator::wants_lease(int64_t member) const {
  const auto it = members_.find(member);
  return it != members_.end() && it->second.alive && it->second.partition < 0;
}

// Null: it has been given up, or has another lease by now.
Member* Coordinator::holder_of(const wire::Lease& lease) {
  return find_live(leases_.holder({lease.partition, lease.incarnation}));
}

bool Coordinator::granted(const wire::Lease& lease, TimePoint now) {
  excuse(now);
  ungranted_ = {};
  bool trains = false;
  if (Member* const holder = holder_of(lease)) {
    holder->last_progress = now;
    holder->first_push = lease.next_sequence;
    const int epoch = leases_.epoch();
    leases_.trained_until(holder->lease, lease.next_sequence);
    trains = leases_.find(holder->lease).has_value();
    if (trains) {
      holder->begun = true;
      holder->had = lease.partition;
      holder->had_last = lease.last;
      holder->pace.begin(plan_->steps_before(lease.partition, lease.next_sequence), now);
      happened(LeaseGranted{holder->name, lease}, now);
    } else {
      trained(*holder, lease.last, now);
    }
    epochs_ended(epoch, now);
    happened_to(*holder, now);
  }
  say_waits(now);
  return trains;
}

void Coordinator::not_granted(const wire::Lease& lease, const std::string& why, TimePoint now) {
  excuse(now);
  if (Member* const holder = holder_of(lease)) {
    requeue(*holder);
    happened_to(*holder, now);
  }
  if (ungranted_.because.empty() || now - ungranted_.last > kAskedAgain) ungranted_.since = now;
  ungranted_.because = why;
  ungranted_.last = now;
  if (now - ungranted_.since >= options_.server_timeout) {
    abort(fmt::format("no lease could be granted for {} s: {}",
                      core::whole_seconds(options_.server_timeout), why),
          now);
  }
  say_waits(now);
}

void Coordinator::begin_training(Member& member, int64_t clock) {
  if (std::exchange(member.trains, true)) return;
  member.trainee = gate_.trainees.size();
  gate_.trainees.push_back({member.id, member.name.index, clock});
  came_.push_back(gate_.trainees.back());
  ++gate_.generation;
}

// The last one takes its place.
void Coordinator::end_training(Member& member) {
  if (!std::exchange(member.trains, false)) return;
  const wire::Gate::Trainee last = gate_.trainees.back();
  gate_.trainees[member.trainee] = last;
  members_.at(last.member).trainee = member.trainee;
  gate_.trainees.pop_back();
  gate_changed();
}

// Otherwise than by somebody who comes.
void Coordinator::gate_changed() {
  ++gate_.generation;
  came_.clear();
}

wire::Gate Coordinator::gate_since(int64_t heard) const {
  const int64_t behind = gate_.generation - heard;
  if (heard <= 0 || behind > std::ssize(came_)) return gate_;
  return {gate_.generation, {came_.end() - behind, came_.end()}, gate_.max_staleness, heard};
}

void Coordinator::requeue(Member& member) {
  if (member.partition < 0) return;
  leases_.release(member.lease);
  due_ = TimePoint{};  // a worker without a lease may stall from now on
  member.pace.end();
  member.partition = -1;
}

Result<wire::HeartbeatReply> Coordinator::heartbeat(const wire::HeartbeatRequest& request,
                                                    TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member();
  if (member->waiting_for != request.waiting_for) member->waiting_since = now;
  member->waiting_for = request.waiting_for;
  member->peak_memory_bytes = std::max(member->peak_memory_bytes, request.peak_memory_bytes);
  if (!request.traffic.empty()) member->traffic = request.traffic;
  if (request.activity != member->activity || !request.waiting_for.empty()) {
    member->activity = request.activity;
    member->last_progress = now;
  }
  wire::HeartbeatReply reply = answer(*member, request);
  const bool worker = member->name.role == wire::Role::kWorker;
  if (worker && request.knobs != knobs_.revision) reply.knobs = knobs_;
  if (worker && request.parameters >= 0 && request.parameters < revision_) {
    reply.parameters = placement_for(*member);
  }
  const bool holds = reply.kind == wire::HeartbeatReply::Kind::kContinue &&
                     request.partition >= 0 && request.partition == member->partition;
  if (holds) {
    member->step = request.step;
    const auto its = leases_.find(member->lease);
    const int64_t all = plan_->steps_before(its->partition, its->last + 1);
    if (knobs_.paused) member->pace.held(paused_since_, now);
    member->pace.heard(std::clamp<int64_t>(request.step, 0, all), now);
    if (request.step > 0) anybody_trained_ = true;
  }
  happened_to(*member, now);
  return reply;
}

void Coordinator::answers_held(const std::vector<wire::LedgerReply::Trainee>& trainees,
                               TimePoint now) {
  constexpr double kMost = 3600;  // the figures come from the network
  std::map<int, double> held;     // seconds, by worker
  for (const wire::LedgerReply::Trainee& trainee : trainees) {
    if (trainee.held_s > 0) held[trainee.worker] = std::min(trainee.held_s, kMost);
  }
  if (held.empty()) return;
  for (auto& [id, member] : members_) {
    if (!member.alive || member.name.role != wire::Role::kWorker) continue;
    const auto its = held.find(member.name.index);
    if (its != held.end()) member.pace.held(now - core::from_seconds(its->second), now);
  }
}

wire::HeartbeatReply Coordinator::answer(const Member& member,
                                         const wire::HeartbeatRequest& request) const {
  using Kind = wire::HeartbeatReply::Kind;
  if (phase_ == Phase::kAborted) return {Kind::kAbort, abort_reason_};
  const bool server = member.name.role == wire::Role::kServer;
  if (closed_ || (server && !is_needed(member.name.index))) return {Kind::kDone, ""};
  if (!draining_.empty() && member.name.role == wire::Role::kWorker) {
    return {Kind::kDrain, draining_};
  }
  if (request.partition < 0) return {};
  const LeaseTable::Key lease{request.partition, request.incarnation};
  if (member.partition < 0 || lease != member.lease) {
    // Its own Finish may have come before this.
    if (lease == member.finished) return {};
    return {Kind::kLeaseLost, "the lease was given to another worker"};
  }
  wire::HeartbeatReply reply;
  const auto interval = leases_.find(lease);
  if (interval && interval->last < request.last) reply.last = interval->last;
  return reply;
}

Status Coordinator::finish(const wire::FinishRequest& request, TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member();
  if (request.partition < 0 || request.partition >= plan_->partitions()) {
    return invalid_argument(fmt::format("there is no partition {}", request.partition));
  }
  const LeaseTable::Key lease{request.partition, request.incarnation};
  if (!request.traffic.empty()) member->traffic = request.traffic;
  if (lease == member->finished) return ok_status();
  const auto interval = leases_.find(lease);
  if (!interval || member->partition < 0 || lease != member->lease) {
    return failed_precondition(
        fmt::format("partition {} was given to another worker", request.partition));
  }
  member->pace.heard(plan_->steps_before(request.partition, interval->last + 1), now);
  const int epoch = leases_.epoch();
  leases_.finish(lease);
  anybody_trained_ = true;
  trained(*member, interval->last, now);
  epochs_ended(epoch, now);
  happened_to(*member, now);
  return ok_status();
}

// Every push of the member's lease has been made; the table knows.
void Coordinator::trained(Member& member, int64_t last, TimePoint now) {
  happened(LeaseFinished{member.name, member.partition, last}, now);
  member.finished = member.lease;
  member.partition = -1;
  member.pace.end();
  if (is_idle()) idle_since_ = now;
}

// Of those from `from` on that have ended with what has just been trained.
void Coordinator::epochs_ended(int from, TimePoint now) {
  if (leases_.epoch() > from) name_stragglers(leases_.epoch() - 1, now);
  if (phase_ != Phase::kTraining || !leases_.all_trained()) return;
  phase_ = Phase::kDone;
  say_waits(now);
  happened(JobEnding{ok_status()}, now);
}

}  // namespace sluice::driver
