// Who is a member of the job: joining, and where servers are reached.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/version.h"
#include "driver/coordinator.h"
#include "driver/server_addresses.h"

namespace sluice::driver {

using core::TimePoint;
using core::whole_seconds;
using wire::Role;

namespace {

// Whether a process may be another's successor: a container that was started again has the same
// host, machine and process number. So may two containers of one machine that share a host name.
bool may_replace(const core::ProcessFacts& process, const core::ProcessFacts& before) {
  return process.host == before.host && process.machine == before.machine &&
         process.pid == before.pid && process.started != before.started;
}

}  // namespace

// The living member that makes a call, which shows that it is there; null: not known.
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
  const auto known = attempts_.find(attempt);
  return attempt == 0 || known == attempts_.end() ? nullptr : find_live(known->second);
}

// Members of that process: several when it was started again.
std::vector<Member*> Coordinator::find_process(const std::string& host, int64_t pid) {
  std::vector<Member*> found;
  const auto [begin, end] = processes_.equal_range(std::pair(host, pid));
  for (auto its = begin; its != end; ++its) found.push_back(&members_.at(its->second));
  return found;
}

Result<wire::JoinReply> Coordinator::join(const wire::JoinRequest& request, TimePoint now) {
  excuse(now);
  if (request.version != core::version()) {
    return refuse(request,
                  failed_precondition(fmt::format(
                      "this driver is Sluice {}, the {} is {}: run the same version everywhere",
                      core::version(), to_text(request.role), request.version)),
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
  const bool may_serve = phase_ == Phase::kWaitingForServers || phase_ == Phase::kTraining;
  if (request.role == Role::kServer && (!may_serve || live(Role::kServer) >= servers_wanted_)) {
    return refuse(request, too_many_servers(now), now);
  }
  if (request.role == Role::kWorker && options_.max_workers > 0 &&
      live(Role::kWorker) >= options_.max_workers) {
    return refuse(request, too_many_workers(), now);
  }
  Member member;
  member.id = next_member_++;
  member.name = {request.role,
                 placement_.free_index(request.role, request.preferred_index, servers_wanted_),
                 request.process};
  member.slot = placement_.free_slot(request.role, request.process);
  member.address = member.announced = request.address;
  member.address_guessed = request.address_guessed;
  member.came_from = request.came_from;
  member.came_to = request.came_to;
  member.cores = request.cores;
  member.gpu = placement_.free_gpu(request.gpus);
  member.attempt = request.attempt;
  member.joined = member.last_heard = member.last_progress = now;
  happened(MemberJoined{member.name, member.address}, now);
  const wire::JoinReply reply = welcome(member);
  ++live_[static_cast<size_t>(request.role)];
  placement_.add(member);
  attempts_[member.attempt] = member.id;
  processes_.emplace(std::pair(request.process.host, request.process.pid), member.id);
  if (request.role == Role::kServer) servers_[member.name.index] = member.id;
  if (live(Role::kWorker) >= workers_wanted_) gathering_ = false;
  happened_to(members_.emplace(member.id, std::move(member)).first->second, now);
  say_waits(now);
  return reply;
}

Result<wire::JoinReply> Coordinator::refuse(const wire::JoinRequest& request, Status why,
                                            TimePoint now) {
  happened(JoinRefused{request.role, request.process, why}, now);
  return why;
}

Status Coordinator::too_many_servers(TimePoint now) const {
  for (const auto& [index, id] : servers_) {
    const Member& member = members_.at(id);
    if (now - member.last_heard < kSilent) continue;
    const core::Duration left = member.last_heard + options_.server_timeout - now;
    return failed_precondition(fmt::format(
        "{} has not been heard of for {} s and is waited for {} s more; no other can take its "
        "place: what it keeps of the parameters would be gone",
        member.name.to_string(), whole_seconds(now - member.last_heard), whole_seconds(left)));
  }
  return failed_precondition(
      fmt::format("this job has its {} parameter server(s) already: start the driver with "
                  "--servers {} to use another, or ask for it with sluice ctl scale servers={}",
                  servers_wanted_, servers_wanted_ + 1, servers_wanted_ + 1));
}

// One that is only doubted keeps its place for some seconds: its successor asks again.
Status Coordinator::too_many_workers() const {
  const bool doubted = std::any_of(members_.begin(), members_.end(), [](const auto& m) {
    return m.second.alive && m.second.doubted && m.second.name.role == Role::kWorker;
  });
  const std::string full =
      fmt::format("this job has its {} worker(s) already", options_.max_workers);
  if (doubted) return unavailable(full + ", one of which may be gone");
  return failed_precondition(full +
                             ": start the driver with a larger --max-workers to use another");
}

// A container that was started again need not wait until its predecessor's lease has expired. Where
// the address is the same too, the predecessor has ended; otherwise it is doubted: it has ended
// unless it is heard of within a few seconds.
void Coordinator::doubt_predecessors(const wire::JoinRequest& request, TimePoint now) {
  for (Member* const its : find_process(request.process.host, request.process.pid)) {
    Member& member = *its;
    if (member.name.role != request.role || !may_replace(request.process, member.name.process)) {
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

const Member* Coordinator::find_server(int index) const {
  const auto its = servers_.find(index);
  return its == servers_.end() ? nullptr : &members_.at(its->second);
}

Member* Coordinator::find_server(int index) {
  return const_cast<Member*>(std::as_const(*this).find_server(index));
}

std::vector<std::string> Coordinator::possible_addresses(int server) const {
  const Member* member = find_server(server);
  return member == nullptr ? std::vector<std::string>() : driver::possible_addresses(*member);
}

void Coordinator::server_found(int server, const std::string& address, const std::string& why,
                               TimePoint now) {
  Member* member = find_server(server);
  if (member == nullptr || member->address == address) return;
  happened(ServerFound{member->name, member->address, address, why}, now);
  member->address = address;
}

}  // namespace sluice::driver
