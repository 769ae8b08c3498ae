#include "driver/coordinator.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/version.h"

namespace sluice::driver {

using core::TimePoint;
using wire::Role;

namespace {

// A number asked for beyond it is a mistake.
constexpr int kMostWorkers = 1 << 16;

// Who is silent for longer is named. A heartbeat comes every second.
constexpr core::Duration kSilent = std::chrono::seconds(3);

// Something happens at least so often, so that it shows when the driver was suspended.
constexpr core::Duration kPulse = std::chrono::seconds(1);
constexpr core::Duration kShortestPulse = std::chrono::milliseconds(10);

// A worker that got no lease asks again within this time.
constexpr core::Duration kAskedAgain = std::chrono::seconds(10);

// The most that are named in one sentence.
constexpr int kMostNamed = 3;

const char* to_text(Role role) { return role == Role::kServer ? "server" : "worker"; }

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

// Processes of one machine have one name for it. Where it is not known, its host name must do.
const std::string& machine_of(const core::ProcessFacts& process) {
  return process.machine.empty() ? process.host : process.machine;
}

// As a container that was started again; but also as its neighbour, where containers of one machine
// share a host name.
bool may_replace(const core::ProcessFacts& process, const core::ProcessFacts& before) {
  return process.host == before.host && process.machine == before.machine &&
         process.pid == before.pid && process.started != before.started;
}

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

// An address "HOST:PORT" at another host; empty where there is none.
std::string at_host(const std::string& address, const std::string& host) {
  const size_t port = address.rfind(':');
  if (host.empty() || port == std::string::npos || address.starts_with("unix:")) return "";
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + address.substr(port);
}

// So that they can be added to the time.
CoordinatorOptions bounded(CoordinatorOptions options) {
  for (core::Duration* timeout :
       {&options.lease_timeout, &options.server_timeout, &options.name_stalled_after,
        &options.stall_timeout, &options.idle_timeout, &options.gather}) {
    *timeout = core::bounded(*timeout);
  }
  return options;
}

}  // namespace

Coordinator::Coordinator(CoordinatorOptions options, TimePoint now)
    : options_(bounded(std::move(options))),
      // Different in every job: members of a driver that was here before must not pass for ours.
      next_member_(static_cast<int64_t>(options_.job >> 2) + 1),
      idle_since_(now),
      pulse_(std::clamp<core::Duration>(options_.lease_timeout / 4, kShortestPulse, kPulse)),
      last_event_(now),
      due_(now) {
  for (int64_t records : options_.partition_records) {
    queue_.push_back(static_cast<int64_t>(partitions_.size()));
    Partition partition;
    partition.records = records;
    partitions_.push_back(partition);
  }
}

void Coordinator::happened(decltype(JobEvent::what) what, TimePoint now) {
  events_.push_back({now, std::move(what)});
}

// Before whatever happens. When nothing has for much longer than a pulse, the driver was suspended:
// nobody could be heard meanwhile, and nobody's time runs out for it.
void Coordinator::excuse(TimePoint now) {
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

TimePoint Coordinator::next_event() const {
  return due_ == TimePoint::max() ? due_ : std::min(due_, last_event_ + pulse_);
}

// The member that makes a call.
Member* Coordinator::hear(uint64_t job, int64_t id, TimePoint now) {
  excuse(now);
  Member* member = job == options_.job ? find_live(id) : nullptr;
  if (member == nullptr) return nullptr;
  member->last_heard = now;
  member->doubted = false;
  return member;
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

int Coordinator::free_index(Role role, int preferred) const {
  std::set<int> taken;
  for (const auto& [id, member] : members_) {
    if (member.alive && member.name.role == role) taken.insert(member.name.index);
  }
  const int limit = role == Role::kServer ? options_.servers : kMostWorkers;
  if (preferred >= 0 && preferred < limit && !taken.contains(preferred)) return preferred;
  return lowest_free(taken);
}

int Coordinator::free_slot(Role role, const core::ProcessFacts& process) const {
  std::set<int> taken;
  for (const auto& [id, member] : members_) {
    if (member.alive && member.name.role == role &&
        machine_of(member.name.process) == machine_of(process)) {
      taken.insert(member.slot);
    }
  }
  return lowest_free(taken);
}

// The first of those that the fewest hold: containers of one machine may see different ones.
std::string Coordinator::free_gpu(const std::vector<std::string>& gpus) const {
  const auto holders = [this](const std::string& gpu) {
    return std::count_if(members_.begin(), members_.end(), [&](const auto& member) {
      return member.second.alive && member.second.gpu == gpu;
    });
  };
  const auto freest = std::min_element(
      gpus.begin(), gpus.end(),
      [&](const std::string& a, const std::string& b) { return holders(a) < holders(b); });
  return freest == gpus.end() ? "" : *freest;
}

// Each pool's cores go evenly to the workers that take from it, but for those that only stand by,
// and the tightest pool counts: of two cores, each of two workers has one, each of three as well.
int Coordinator::share_of_cores(const Member& member) const {
  int share = 0;
  for (const core::CorePool& pool : member.cores) {
    int sharing = 0;
    for (const auto& [id, other] : members_) {
      const bool here =
          other.alive && machine_of(other.name.process) == machine_of(member.name.process);
      if (!here) continue;
      sharing += static_cast<int>(
          std::count_if(other.cores.begin(), other.cores.end(),
                        [&](const core::CorePool& another) { return another.name == pool.name; }));
    }
    const auto training = std::min<int64_t>(sharing, std::ssize(partitions_) - finished_);
    const int part = std::max(pool.cores / std::max(static_cast<int>(training), 1), 1);
    share = share == 0 ? part : std::min(share, part);
  }
  return share;
}

wire::JoinReply Coordinator::welcome(const Member& member) const {
  wire::JoinReply reply;
  reply.job = options_.job;
  reply.member = member.id;
  reply.index = member.name.index;
  reply.job_spec = options_.job_spec;
  reply.slot = member.slot;
  reply.gpu = member.gpu;
  return reply;
}

Result<wire::JoinReply> Coordinator::refuse(const wire::JoinRequest& request, Status why,
                                            TimePoint now) {
  happened(JoinRefused{request.role, request.process, why}, now);
  return why;
}

Status Coordinator::too_many_servers(TimePoint now) const {
  for (const auto& [id, member] : members_) {
    const bool silent =
        member.alive && member.name.role == Role::kServer && now - member.last_heard >= kSilent;
    if (!silent) continue;
    const core::Duration left = member.last_heard + options_.server_timeout - now;
    return failed_precondition(
        member.name.to_string() + " has not been heard of for " + seconds(now - member.last_heard) +
        " and is waited for " + seconds(left) +
        " more; no other can take its place: what it keeps of the parameters would be gone");
  }
  return failed_precondition("this job has its " + std::to_string(options_.servers) +
                             " parameter server(s) already: start the driver with --servers " +
                             std::to_string(options_.servers + 1) + " to use another");
}

// A container that was started again need not wait for the lease of its dead self. Where the
// address is the same too, that is gone; otherwise, unless it is heard of now.
void Coordinator::doubt_predecessors(const wire::JoinRequest& request, TimePoint now) {
  for (auto& [id, member] : members_) {
    if (!member.alive || member.name.role != request.role ||
        !may_replace(request.process, member.name.process)) {
      continue;
    }
    member.doubted = true;
    if (!request.address.empty() && request.address == member.announced) {
      end_membership(member, MemberEnded::How::kDied, "was started again", now);
    } else {
      expire(member, now);
      due_ = std::min(due_, next_event_of(member, now));
    }
  }
}

Result<wire::JoinReply> Coordinator::join(const wire::JoinRequest& request, TimePoint now) {
  excuse(now);
  if (request.version != core::version()) {
    return refuse(request,
                  failed_precondition("this driver is Sluice " + std::string(core::version()) +
                                      ", the " + to_text(request.role) + " is " + request.version +
                                      ": run the same version everywhere"),
                  now);
  }
  if (phase_ == Phase::kAborted) return cancelled(abort_reason_);
  if (Member* joined = find_attempt(request.attempt)) {  // the answer was lost
    joined->last_heard = now;
    joined->doubted = false;
    return welcome(*joined);
  }
  doubt_predecessors(request, now);
  if (phase_ == Phase::kAborted) return cancelled(abort_reason_);
  if (request.role == Role::kServer &&
      (phase_ != Phase::kWaitingForServers || live(Role::kServer) >= options_.servers)) {
    return refuse(request, too_many_servers(now), now);
  }
  Member member;
  member.id = next_member_++;
  member.name = {request.role, free_index(request.role, request.preferred_index), request.process};
  member.slot = free_slot(request.role, request.process);
  member.address = member.announced = request.address;
  member.address_guessed = request.address_guessed;
  member.came_from = request.came_from;
  member.came_to = request.came_to;
  member.cores = request.cores;
  member.gpu = free_gpu(request.gpus);
  member.attempt = request.attempt;
  member.last_heard = member.last_progress = now;
  happened(MemberJoined{member.name, member.address}, now);
  const wire::JoinReply reply = welcome(member);
  ++live_[static_cast<size_t>(request.role)];
  if (live(Role::kWorker) >= options_.workers) gathering_ = false;
  happened_to(members_.emplace(member.id, std::move(member)).first->second, now);
  say_waits(now);
  return reply;
}

bool Coordinator::servers_ready() const { return live(Role::kServer) == options_.servers; }

const Member* Coordinator::find_server(int index) const {
  for (const auto& [id, member] : members_) {
    const bool is_it =
        member.alive && member.name.role == Role::kServer && member.name.index == index;
    if (is_it) return &member;
  }
  return nullptr;
}

Member* Coordinator::find_server(int index) {
  return const_cast<Member*>(std::as_const(*this).find_server(index));
}

std::vector<std::string> Coordinator::possible_addresses(int server) const {
  const Member* member = find_server(server);
  if (member == nullptr) return {};
  std::vector<std::string> addresses = {member->address};
  const std::string from = at_host(member->address, member->came_from);
  if (!from.empty() && from != member->address) addresses.push_back(from);
  return addresses;
}

void Coordinator::server_found(int server, const std::string& address, const std::string& why,
                               TimePoint now) {
  Member* member = find_server(server);
  if (member == nullptr || member->address == address) return;
  happened(ServerFound{member->name, member->address, address, why}, now);
  member->address = address;
}

// A server on the driver's own host may have come over its loopback, and know no better address
// than its host's name. Workers elsewhere reach that host by the address by which they reach the
// driver.
std::vector<std::string> Coordinator::addresses_for(const Member& worker) const {
  std::vector<std::string> addresses(static_cast<size_t>(options_.servers));
  const bool elsewhere = !worker.came_to.empty() && !is_loopback(worker.came_from);
  for (const auto& [id, member] : members_) {
    if (!member.alive || member.name.role != Role::kServer) continue;
    std::string& address = addresses[static_cast<size_t>(member.name.index)];
    address = member.address;
    if (elsewhere && member.address_guessed && is_loopback(member.came_from)) {
      address = at_host(member.address, worker.came_to);
    }
  }
  return addresses;
}

void Coordinator::start_training(wire::ShardMap shard_map, TimePoint now) {
  if (phase_ != Phase::kWaitingForServers) return;
  shard_map_ = std::move(shard_map);
  phase_ = Phase::kTraining;
  idle_since_ = now;
  gather_until_ = now + options_.gather;
  gathering_ = now < gather_until_ && live(Role::kWorker) < options_.workers;
  happened(TrainingStarted{}, now);
  plan(now);
  say_waits(now);
}

// --- Leases ---

Result<wire::AcquireReply> Coordinator::acquire(const wire::AcquireRequest& request,
                                                TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member(request.member);
  member->last_progress = now;
  // It may ask although it holds a lease: the answer to its last call was lost.
  if (phase_ == Phase::kTraining) requeue(*member);
  wire::AcquireReply reply;
  if (phase_ == Phase::kAborted) {
    reply.kind = wire::AcquireReply::Kind::kAbort;
    reply.reason = abort_reason_;
  } else if (phase_ == Phase::kDone) {
    reply.kind = wire::AcquireReply::Kind::kDone;
  } else if (phase_ == Phase::kWaitingForServers) {
    reply.reason = waits_for();
  } else if (gathering_) {
    reply.reason = missing_members();
  } else if (queue_.empty()) {
    reply.reason = whom_idle_workers_wait_for();
  } else {
    reply = grant(*member, now);
  }
  happened_to(*member, now);
  return reply;
}

std::string Coordinator::whom_idle_workers_wait_for() const {
  std::string holders;
  int named = 0;
  for (const Partition& partition : partitions_) {
    const auto holder = members_.find(partition.holder);
    if (partition.finished || holder == members_.end()) continue;
    if (++named > kMostNamed) {
      holders += " and others";
      break;
    }
    holders += (holders.empty() ? "" : ", ") + std::to_string(holder->second.name.index);
  }
  return "the last partitions to be finished by worker(s) " + holders;
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
  wire::AcquireReply reply;
  reply.kind = wire::AcquireReply::Kind::kGranted;
  reply.lease = {index, partition.incarnation, 1, partition.records};
  reply.shard_map = shard_map_;
  reply.servers = addresses_for(member);
  reply.threads = share_of_cores(member);
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
    abort("no lease could be granted for " + seconds(options_.server_timeout) + ": " + why, now);
  }
  say_waits(now);
}

void Coordinator::requeue(Member& member) {
  if (member.partition < 0) return;
  Partition& partition = partitions_[static_cast<size_t>(member.partition)];
  if (partition.holder == member.id && !partition.finished) {
    partition.holder = -1;
    queue_.push_front(member.partition);
    due_ = TimePoint{};  // whoever has nothing to do is needed now
  }
  member.partition = -1;
}

Result<wire::HeartbeatReply> Coordinator::heartbeat(const wire::HeartbeatRequest& request,
                                                    TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return unknown_member(request.member);
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
  if (member == nullptr) return unknown_member(request.member);
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

// --- Ends ---

// A parameter server takes its shards with it; a worker only its lease.
void Coordinator::end_membership(Member& member, MemberEnded::How how, const std::string& fate,
                                 TimePoint now) {
  const bool server = member.name.role == Role::kServer;
  // It had nothing yet, and another is there.
  const bool harmless = member.doubted && phase_ == Phase::kWaitingForServers && !servers_ready();
  MemberEnded end{member.name, how, fate, over() ? -1 : member.partition};
  requeue(member);
  member.alive = false;
  member.end = end;
  --live_[static_cast<size_t>(member.name.role)];
  news_.insert(member.id);
  happened(end, now);
  if (server && !harmless) {
    abort(member.name.to_string() + " " + fate + "; its parameters are gone", now);
  }
  if (live(Role::kWorker) == 0) {
    // One that is given up as stuck may join again at once, and again be of no use.
    const bool useless = how == MemberEnded::How::kStuck && member.leases == 0;
    if (!server && !useless && phase_ == Phase::kTraining) idle_since_ = now;
    ungranted_ = {};
  }
  due_ = std::min(due_, idle_until());
  say_waits(now);
}

Status Coordinator::leave(const wire::LeaveRequest& request, TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return ok_status();  // gone already
  const StatusCode code = request.status.code();
  using How = MemberEnded::How;
  if (code == StatusCode::kOk || code == StatusCode::kCancelled) {
    end_membership(*member, How::kLeft, "left", now);
    return ok_status();
  }
  const bool refused = code == StatusCode::kInvalidArgument;
  end_membership(*member, refused ? How::kRefused : How::kGaveUp,
                 "gave up: " + request.status.message(), now);
  // One member may lack what the others have. But when nobody has trained anything, and the last
  // one cannot make sense of the job, it is the job that makes none.
  if (refused && !anybody_trained_ && live(Role::kWorker) == 0) {
    abort(request.status.message(), now);
  }
  return ok_status();
}

void Coordinator::process_ended(const std::string& host, int64_t pid, const std::string& fate,
                                TimePoint now) {
  for (auto& [id, member] : members_) {
    if (member.alive && member.name.process.pid == pid && member.name.process.host == host) {
      end_membership(member, MemberEnded::How::kDied, fate, now);
    }
  }
}

core::Duration Coordinator::timeout_of(const Member& member) const {
  const core::Duration timeout =
      member.name.role == Role::kServer ? options_.server_timeout : options_.lease_timeout;
  return member.doubted ? std::min(timeout, kSilent) : timeout;
}

// Also without a lease, when there is one that it does not ask for.
bool Coordinator::may_stall(const Member& member) const {
  const bool needed = member.partition >= 0 || !queue_.empty();
  return member.alive && member.name.role == Role::kWorker && needed && phase_ == Phase::kTraining;
}

std::string Coordinator::standstill(const Member& member, core::Duration time) const {
  if (member.partition < 0) return "has got nothing done for " + seconds(time);
  return "has stood at step " + std::to_string(member.step) + " of partition " +
         std::to_string(member.partition) + " for " + seconds(time);
}

void Coordinator::expire(Member& member, TimePoint now) {
  using How = MemberEnded::How;
  if (now - member.last_heard >= timeout_of(member)) {
    if (member.doubted) return end_membership(member, How::kDied, "was started again", now);
    return end_membership(member, How::kUnheard,
                          "has not been heard of for " + seconds(timeout_of(member)), now);
  }
  if (may_stall(member) && now - member.last_progress >= options_.stall_timeout) {
    end_membership(member, How::kStuck,
                   "is stuck: it " + standstill(member, options_.stall_timeout) +
                       " (raise --stall-timeout if a step may take that long)",
                   now);
  }
}

void Coordinator::tick(TimePoint now) {
  excuse(now);
  if (now < due_) return;
  for (auto& [id, member] : members_) {
    if (member.alive) expire(member, now);
  }
  if (now >= idle_until()) {
    abort("waited " + seconds(options_.idle_timeout) + " for " + waits_for(), now);
  }
  if (now >= gather_until_) gathering_ = false;
  for (auto& [id, member] : members_) look_at(member, now);
  plan(now);
  say_waits(now);
}

// Without whom nothing goes on.
bool Coordinator::is_idle() const {
  if (phase_ == Phase::kWaitingForServers) return !servers_ready();
  return phase_ == Phase::kTraining && live(Role::kWorker) == 0;
}

TimePoint Coordinator::idle_until() const {
  return is_idle() ? idle_since_ + options_.idle_timeout : TimePoint::max();
}

void Coordinator::plan(TimePoint now) {
  due_ = idle_until();
  if (gathering_) due_ = std::min(due_, gather_until_);
  for (const auto& [id, member] : members_) due_ = std::min(due_, next_event_of(member, now));
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

// --- Waiting ---

std::string Coordinator::waits_for() const {
  if (phase_ == Phase::kWaitingForServers) {
    return servers_ready() ? "the parameter servers to take the model" : missing_members();
  }
  if (phase_ != Phase::kTraining) return "";
  if (gathering_) return missing_members();
  if (live(Role::kWorker) == 0) return "a worker to join";
  const std::string whom = members_waited_for();
  if (whom.empty() && !ungranted_.because.empty()) {
    return "a parameter server: " + ungranted_.because;
  }
  return whom;
}

// All of them at once: whoever starts one after the other would wait for each.
std::string Coordinator::missing_members() const {
  const auto missing = [this](Role role, int all, const char* name) {
    const int absent = all - live(role);
    return absent <= 0 ? "" : std::to_string(absent) + " of " + std::to_string(all) + name;
  };
  const std::string servers = missing(Role::kServer, options_.servers, " parameter server(s)");
  const std::string workers = missing(Role::kWorker, options_.workers, " worker(s)");
  return servers + (servers.empty() || workers.empty() ? "" : " and ") + workers + " to join";
}

// Workers that wait for a server say nothing new when a server is silent.
std::string Coordinator::members_waited_for() const {
  const bool server_named = std::any_of(members_.begin(), members_.end(), [](const auto& m) {
    return m.second.alive && m.second.name.role == Role::kServer && !m.second.named_because.empty();
  });
  std::string whom;
  int named = 0;
  for (const auto& [id, member] : members_) {
    if (!member.alive || member.named_because.empty()) continue;
    if (server_named && !member.waiting_for.empty()) continue;
    if (++named > kMostNamed) return whom + "; and others";
    whom += (whom.empty() ? "" : "; ") + std::string(to_text(member.name.role)) + " " +
            std::to_string(member.name.index) + ", which " + member.named_because;
  }
  return whom;
}

// When the job begins to wait for this member, unless something is heard of it before.
TimePoint Coordinator::silent_at(const Member& member) const {
  const bool needed = member.name.role == Role::kServer || member.partition >= 0;
  const bool missed = member.alive && needed && phase_ == Phase::kTraining;
  return missed ? member.last_heard + kSilent : TimePoint::max();
}

TimePoint Coordinator::stalled_at(const Member& member) const {
  return may_stall(member) ? member.last_progress + options_.name_stalled_after : TimePoint::max();
}

std::string Coordinator::why_named(const Member& member, TimePoint now) const {
  if (now >= silent_at(member)) return "has not been heard of for some seconds";
  const bool holds = may_stall(member) && member.partition >= 0;
  if (holds && !member.waiting_for.empty()) return "waits for " + member.waiting_for;
  if (now < stalled_at(member)) return "";
  return standstill(member, options_.name_stalled_after);
}

// Whether the job begins or ceases to wait for it.
bool Coordinator::look_at(Member& member, TimePoint now) {
  std::string why = member.alive ? why_named(member, now) : "";
  if (why == member.named_because) return false;
  member.named_because = std::move(why);
  return true;
}

// What follows from something that a member did. Costs nothing where nothing follows: there may be
// many members, and each is heard of every second.
void Coordinator::happened_to(Member& member, TimePoint now) {
  due_ = std::min(due_, next_event_of(member, now));
  if (look_at(member, now)) say_waits(now);
}

void Coordinator::say_waits(TimePoint now) {
  std::string whom = waits_for();
  if (whom == said_) return;
  said_ = whom;
  happened(WaitsFor{std::move(whom)}, now);
}

std::vector<JobEvent> Coordinator::take_events() { return std::exchange(events_, {}); }

std::set<int64_t> Coordinator::take_news() { return std::exchange(news_, {}); }

}  // namespace sluice::driver
