#include "driver/coordinator.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/version.h"

namespace sluice::driver {

using core::TimePoint;

namespace {

// How long a member that finds nothing to do waits before it asks again.
constexpr core::Duration kRetryAfter = std::chrono::milliseconds(100);

// A number asked for beyond it is a mistake.
constexpr int kMostWorkers = 1 << 16;

const char* to_text(wire::Role role) { return role == wire::Role::kServer ? "server" : "worker"; }

std::string seconds(core::Duration d) {
  return std::to_string(static_cast<int64_t>(core::to_seconds(d))) + " s";
}

Status unknown_member(int64_t id) {
  return not_found("the driver does not know member " + std::to_string(id) +
                   " (any more): it was given up for dead or belongs to another job");
}

int lowest_free(const std::set<int>& taken) {
  int number = 0;
  while (taken.contains(number)) ++number;
  return number;
}

}  // namespace

std::string Member::name() const {
  return std::string(to_text(role)) + " " + std::to_string(index) + " (pid " + std::to_string(pid) +
         " on " + host + ")";
}

Coordinator::Coordinator(CoordinatorOptions options, TimePoint now)
    : options_(std::move(options)),
      // Different in every job: members of a driver that was here before must not pass for ours.
      next_member_(static_cast<int64_t>(options_.job >> 2) + 1),
      last_with_workers_(now) {
  for (int64_t records : options_.partition_records) {
    queue_.push_back(static_cast<int64_t>(partitions_.size()));
    Partition partition;
    partition.records = records;
    partitions_.push_back(partition);
  }
}

Member* Coordinator::find_live(int64_t id) {
  const auto it = members_.find(id);
  return it == members_.end() || !it->second.alive ? nullptr : &it->second;
}

Member* Coordinator::find_attempt(uint64_t attempt) {
  if (attempt == 0) return nullptr;
  for (auto& [id, member] : members_) {
    if (member.alive && member.attempt == attempt) return &member;
  }
  return nullptr;
}

int Coordinator::live(wire::Role role) const {
  return static_cast<int>(std::count_if(members_.begin(), members_.end(), [&](const auto& m) {
    return m.second.alive && m.second.role == role;
  }));
}

int64_t Coordinator::finished_partitions() const {
  return std::count_if(partitions_.begin(), partitions_.end(),
                       [](const Partition& p) { return p.finished; });
}

int Coordinator::free_index(wire::Role role, int preferred) const {
  std::set<int> taken;
  for (const auto& [id, member] : members_) {
    if (member.alive && member.role == role) taken.insert(member.index);
  }
  const int limit = role == wire::Role::kServer ? options_.servers : kMostWorkers;
  if (preferred >= 0 && preferred < limit && !taken.contains(preferred)) return preferred;
  return lowest_free(taken);
}

int Coordinator::free_slot(wire::Role role, const std::string& host) const {
  std::set<int> taken;
  for (const auto& [id, member] : members_) {
    if (member.alive && member.role == role && member.host == host) taken.insert(member.slot);
  }
  return lowest_free(taken);
}

wire::JoinReply Coordinator::welcome(const Member& member) const {
  return {member.id, member.index, options_.job, options_.job_spec, member.slot};
}

Result<wire::JoinReply> Coordinator::join(const wire::JoinRequest& request, TimePoint now) {
  if (request.version != core::version()) {
    return failed_precondition("this driver is Sluice " + std::string(core::version()) + ", the " +
                               to_text(request.role) + " is " + request.version +
                               ": run the same version everywhere");
  }
  if (phase_ == Phase::kAborted) return cancelled(abort_reason_);
  if (Member* joined = find_attempt(request.attempt)) {  // the answer was lost
    joined->last_heard = now;
    return welcome(*joined);
  }
  if (request.role == wire::Role::kServer &&
      (phase_ != Phase::kWaitingForServers || live(wire::Role::kServer) >= options_.servers)) {
    return failed_precondition("this job has its " + std::to_string(options_.servers) +
                               " parameter server(s) already: start the driver with --servers " +
                               std::to_string(options_.servers + 1) + " to use another");
  }
  Member member;
  member.id = next_member_++;
  member.role = request.role;
  member.index = free_index(request.role, request.preferred_index);
  member.slot = free_slot(request.role, request.host);
  member.host = request.host;
  member.pid = request.pid;
  member.address = request.address;
  member.attempt = request.attempt;
  member.last_heard = now;
  notice(member.name() + " joined" +
         (request.address.empty() ? "" : ", listening at " + request.address));
  const wire::JoinReply reply = welcome(member);
  members_.emplace(member.id, std::move(member));
  return reply;
}

bool Coordinator::servers_ready() const { return live(wire::Role::kServer) == options_.servers; }

std::vector<std::string> Coordinator::server_addresses() const {
  std::vector<std::string> addresses(static_cast<size_t>(options_.servers));
  for (const auto& [id, member] : members_) {
    if (member.alive && member.role == wire::Role::kServer) {
      addresses[static_cast<size_t>(member.index)] = member.address;
    }
  }
  return addresses;
}

void Coordinator::start_training(wire::ShardMap shard_map, TimePoint now) {
  if (phase_ != Phase::kWaitingForServers) return;
  shard_map_ = std::move(shard_map);
  phase_ = Phase::kTraining;
  last_with_workers_ = now;
}

std::string Coordinator::waiting_for() const {
  if (phase_ == Phase::kWaitingForServers) {
    const int missing = options_.servers - live(wire::Role::kServer);
    if (missing == 0) return "the parameter servers to take the model";
    return std::to_string(missing) + " of " + std::to_string(options_.servers) +
           " parameter server(s) to join";
  }
  if (phase_ == Phase::kTraining && live(wire::Role::kWorker) == 0) return "a worker to join";
  return "";
}

Result<wire::AcquireReply> Coordinator::acquire(int64_t id, TimePoint now) {
  Member* member = find_live(id);
  if (member == nullptr) return unknown_member(id);
  member->last_heard = now;
  wire::AcquireReply reply;
  reply.retry_after = kRetryAfter;
  if (phase_ == Phase::kAborted) {
    reply.kind = wire::AcquireReply::Kind::kAbort;
    reply.reason = abort_reason_;
  } else if (phase_ == Phase::kDone) {
    reply.kind = wire::AcquireReply::Kind::kDone;
  } else if (phase_ == Phase::kWaitingForServers) {
    reply.reason = waiting_for();
  } else if (member->partition >= 0) {
    // It asks although it holds a lease: the answer to its last call was lost.
    requeue(*member);
    return grant(*member);
  } else if (queue_.empty()) {
    reply.reason = "the last partitions to be finished by other workers";
  } else {
    return grant(*member);
  }
  return reply;
}

wire::AcquireReply Coordinator::grant(Member& member) {
  const int64_t index = queue_.front();
  queue_.pop_front();
  Partition& partition = partitions_[static_cast<size_t>(index)];
  partition.holder = member.id;
  ++partition.incarnation;
  member.partition = index;
  member.step = 0;
  ++member.leases;
  wire::AcquireReply reply;
  reply.kind = wire::AcquireReply::Kind::kGranted;
  reply.lease = {index, partition.incarnation, 1, partition.records};
  reply.shard_map = shard_map_;
  reply.servers = server_addresses();
  return reply;
}

void Coordinator::granted(int64_t partition, int64_t incarnation, TimePoint now) {
  const Partition& p = partitions_[static_cast<size_t>(partition)];
  if (p.incarnation != incarnation) return;
  if (Member* holder = find_live(p.holder)) holder->last_heard = now;
}

void Coordinator::not_granted(int64_t partition, int64_t incarnation) {
  const Partition& p = partitions_[static_cast<size_t>(partition)];
  if (p.incarnation != incarnation) return;
  if (Member* holder = find_live(p.holder)) requeue(*holder);
}

void Coordinator::requeue(Member& member) {
  if (member.partition < 0) return;
  Partition& partition = partitions_[static_cast<size_t>(member.partition)];
  if (partition.holder == member.id && !partition.finished) {
    partition.holder = -1;
    queue_.push_front(member.partition);
  }
  member.partition = -1;
}

Result<wire::HeartbeatReply> Coordinator::heartbeat(const wire::HeartbeatRequest& request,
                                                    TimePoint now) {
  Member* member = find_live(request.member);
  if (member == nullptr) return unknown_member(request.member);
  member->last_heard = now;
  member->waiting_for = request.waiting_for;
  member->peak_memory_bytes = request.peak_memory_bytes;
  wire::HeartbeatReply reply;
  if (phase_ == Phase::kAborted) {
    reply.kind = wire::HeartbeatReply::Kind::kAbort;
    reply.reason = abort_reason_;
    return reply;
  }
  if (request.partition < 0 || request.partition >= static_cast<int64_t>(partitions_.size())) {
    return reply;
  }
  const Partition& partition = partitions_[static_cast<size_t>(request.partition)];
  if (partition.holder != member->id || partition.incarnation != request.incarnation) {
    reply.kind = wire::HeartbeatReply::Kind::kLeaseLost;
    reply.reason = "the partition was given to another worker";
    return reply;
  }
  member->step = request.step;
  return reply;
}

Status Coordinator::finish(const wire::FinishRequest& request, TimePoint now) {
  Member* member = find_live(request.member);
  if (member == nullptr) return unknown_member(request.member);
  member->last_heard = now;
  if (request.partition < 0 || request.partition >= static_cast<int64_t>(partitions_.size())) {
    return invalid_argument("there is no partition " + std::to_string(request.partition));
  }
  Partition& partition = partitions_[static_cast<size_t>(request.partition)];
  if (partition.finished && partition.incarnation == request.incarnation) return ok_status();
  if (partition.holder != member->id || partition.incarnation != request.incarnation) {
    return failed_precondition("partition " + std::to_string(request.partition) +
                               " was given to another worker");
  }
  partition.finished = true;
  partition.holder = -1;
  member->partition = -1;
  if (phase_ == Phase::kTraining &&
      finished_partitions() == static_cast<int64_t>(partitions_.size())) {
    phase_ = Phase::kDone;
  }
  return ok_status();
}

std::string Coordinator::end_membership(Member& member, const std::string& fate) {
  const int64_t partition = member.partition;
  requeue(member);
  member.alive = false;
  member.fate = fate;
  std::string line = member.name() + " " + fate;
  if (partition >= 0) {
    line += ": partition " + std::to_string(partition) + " goes back to the queue";
  }
  notice(line);
  return line;
}

// A parameter server takes its shards with it; a worker only its lease.
void Coordinator::lose(Member& member, const std::string& fate) {
  const std::string line = end_membership(member, fate);
  if (member.role == wire::Role::kServer) abort(line + "; its parameters are gone");
}

Status Coordinator::leave(const wire::LeaveRequest& request, TimePoint /*now*/) {
  Member* member = find_live(request.member);
  if (member == nullptr) return ok_status();  // gone already
  const StatusCode code = request.status.code();
  if (code == StatusCode::kOk || code == StatusCode::kCancelled) {
    lose(*member, "left");
    return ok_status();
  }
  lose(*member, "gave up: " + request.status.message());
  // What one worker cannot make sense of, no other can either.
  if (code == StatusCode::kInvalidArgument) abort(request.status.message());
  return ok_status();
}

void Coordinator::process_ended(const std::string& host, int64_t pid, const std::string& fate) {
  for (auto& [id, member] : members_) {
    if (member.alive && member.pid == pid && member.host == host) lose(member, fate);
  }
}

void Coordinator::excuse(core::Duration gap, TimePoint now) {
  for (auto& [id, member] : members_) member.last_heard = std::min(member.last_heard + gap, now);
  last_with_workers_ = std::min(last_with_workers_ + gap, now);
}

void Coordinator::tick(TimePoint now) {
  if (live(wire::Role::kWorker) > 0 && phase_ == Phase::kTraining) last_with_workers_ = now;
  for (auto& [id, member] : members_) {
    if (member.alive && now - member.last_heard >= options_.lease_timeout) {
      lose(member, "has not been heard of for " + seconds(options_.lease_timeout));
    }
  }
  const bool over = phase_ == Phase::kDone || phase_ == Phase::kAborted;
  if (!over && now - last_with_workers_ >= options_.idle_timeout) {
    abort("waited " + seconds(options_.idle_timeout) + " for " + waiting_for());
  }
}

void Coordinator::abort(const std::string& reason) {
  if (phase_ == Phase::kDone || phase_ == Phase::kAborted) return;
  fail(reason);
}

void Coordinator::fail(const std::string& reason) {
  phase_ = Phase::kAborted;
  abort_reason_ = reason;
}

std::vector<std::string> Coordinator::take_notices() { return std::exchange(notices_, {}); }

}  // namespace sluice::driver
