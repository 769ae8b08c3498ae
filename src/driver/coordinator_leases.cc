// Who trains which partition: leases granted, renewed by heartbeats, finished.
#include <fmt/core.h>

#include <algorithm>
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
    reply.reason = waits_for();
  } else if (gathering_) {
    reply.reason = missing_members();
  } else if (queue_.empty()) {
    reply.reason = whom_idle_workers_wait_for();
  } else {
    reply = grant(*member, now);
  }
  // Others must not wait for who has nothing to train.
  if (reply.kind != wire::AcquireReply::Kind::kGranted) end_training(*member);
  happened_to(*member, now);
  return reply;
}

wire::AcquireReply Coordinator::grant(Member& member, TimePoint now) {
  const int64_t index = queue_.front();
  queue_.pop_front();
  Partition& partition = partitions_[static_cast<size_t>(index)];
  partition.holder = member.id;
  ++partition.incarnation;
  member.partition = index;
  member.step = 0;
  member.last_progress = now;
  ++member.leases;
  // Who is there before anybody trains is waited for from the first window on.
  const bool first = gate_.generation == 0;
  for (const auto& [id, other] : members_) {
    if (first && other.alive && other.name.role == wire::Role::kWorker) begin_training(other, 0);
  }
  begin_training(member, -1);
  wire::AcquireReply reply;
  reply.kind = wire::AcquireReply::Kind::kGranted;
  reply.lease = {index, partition.incarnation, 1, partition.records};
  reply.shard_map = shard_map_;
  reply.servers = addresses_for(members_, member, options_.servers);
  reply.threads = share_of_cores(members_, member, std::ssize(partitions_) - finished_);
  return reply;
}

bool Coordinator::granted(const wire::Lease& lease, TimePoint now) {
  excuse(now);
  ungranted_ = {};
  const Partition& p = partitions_[static_cast<size_t>(lease.partition)];
  Member* holder = p.incarnation == lease.incarnation ? find_live(p.holder) : nullptr;
  if (holder != nullptr) {
    holder->last_progress = now;
    happened(LeaseGranted{holder->name, lease}, now);
    happened_to(*holder, now);
  }
  say_waits(now);
  return holder != nullptr;
}

void Coordinator::not_granted(const wire::Lease& lease, const std::string& why, TimePoint now) {
  excuse(now);
  const Partition& p = partitions_[static_cast<size_t>(lease.partition)];
  Member* holder = p.incarnation == lease.incarnation ? find_live(p.holder) : nullptr;
  if (holder != nullptr) {
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

void Coordinator::begin_training(const Member& member, int64_t clock) {
  const auto known = std::find_if(gate_.trainees.begin(), gate_.trainees.end(),
                                  [&](const auto& one) { return one.member == member.id; });
  if (known != gate_.trainees.end()) return;
  gate_.trainees.push_back({member.id, member.name.index, clock});
  ++gate_.generation;
}

void Coordinator::end_training(const Member& member) {
  const auto is_this = [&](const auto& one) { return one.member == member.id; };
  if (std::erase_if(gate_.trainees, is_this) > 0) ++gate_.generation;
}

void Coordinator::requeue(Member& member) {
  if (member.partition < 0) return;
  Partition& partition = partitions_[static_cast<size_t>(member.partition)];
  if (partition.holder == member.id && !partition.finished) {
    partition.holder = -1;
    queue_.push_front(member.partition);
    due_ = TimePoint{};  // a worker without a lease may stall from now on
  }
  member.partition = -1;
}

Result<wire::HeartbeatReply> Coordinator::heartbeat(const wire::HeartbeatRequest& request,
                                                    TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member();
  member->waiting_for = request.waiting_for;
  member->peak_memory_bytes = std::max(member->peak_memory_bytes, request.peak_memory_bytes);
  if (request.activity != member->activity || !request.waiting_for.empty()) {
    member->activity = request.activity;
    member->last_progress = now;
  }
  const wire::HeartbeatReply reply = answer(*member, request);
  const bool holds = reply.kind == wire::HeartbeatReply::Kind::kContinue &&
                     request.partition >= 0 && request.partition == member->partition;
  if (holds) {
    member->step = request.step;
    if (request.step > 0) anybody_trained_ = true;
  }
  happened_to(*member, now);
  return reply;
}

wire::HeartbeatReply Coordinator::answer(const Member& member,
                                         const wire::HeartbeatRequest& request) const {
  using Kind = wire::HeartbeatReply::Kind;
  if (phase_ == Phase::kAborted) return {Kind::kAbort, abort_reason_};
  if (closed_) return {Kind::kDone, ""};
  if (!draining_.empty() && member.name.role == wire::Role::kWorker) {
    return {Kind::kDrain, draining_};
  }
  if (request.partition < 0) return {};
  const wire::HeartbeatReply lost{Kind::kLeaseLost, "the partition was given to another worker"};
  if (request.partition >= static_cast<int64_t>(partitions_.size())) return lost;
  const Partition& partition = partitions_[static_cast<size_t>(request.partition)];
  if (partition.incarnation != request.incarnation) return lost;
  // Its own Finish may have come before this.
  return partition.finished || partition.holder == member.id ? wire::HeartbeatReply{} : lost;
}

Status Coordinator::finish(const wire::FinishRequest& request, TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member();
  if (request.partition < 0 || request.partition >= static_cast<int64_t>(partitions_.size())) {
    return invalid_argument(fmt::format("there is no partition {}", request.partition));
  }
  Partition& partition = partitions_[static_cast<size_t>(request.partition)];
  if (partition.finished && partition.incarnation == request.incarnation) return ok_status();
  if (partition.holder != member->id || partition.incarnation != request.incarnation) {
    return failed_precondition(
        fmt::format("partition {} was given to another worker", request.partition));
  }
  partition.finished = true;
  partition.holder = -1;
  ++finished_;
  member->partition = -1;
  anybody_trained_ = true;
  happened(PartitionFinished{member->name, request.partition}, now);
  if (phase_ == Phase::kTraining && finished_ == static_cast<int64_t>(partitions_.size())) {
    phase_ = Phase::kDone;
    say_waits(now);
    happened(JobEnding{ok_status()}, now);
  }
  happened_to(*member, now);
  return ok_status();
}

}  // namespace sluice::driver
