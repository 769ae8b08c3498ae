// How a membership ends: the member leaves, is seen to end, or is given up.
#include <fmt/core.h>

#include <algorithm>

#include "driver/coordinator.h"

namespace sluice::driver {

using core::TimePoint;
using wire::Role;

void Coordinator::process_ended(const std::string& host, int64_t pid, const std::string& fate,
                                TimePoint now) {
  for (Member* const member : find_process(host, pid)) {
    end_membership(*member, MemberEnded::How::kDied, fate, now);
  }
}

Status Coordinator::leave(const wire::LeaveRequest& request, TimePoint now) {
  Member* member = hear(request.job, request.member, now);
  if (member == nullptr) return ok_status();  // gone already
  const StatusCode code = request.status.code();
  using How = MemberEnded::How;
  if (code == StatusCode::kOk || code == StatusCode::kCancelled) {
    // A member that is cancelled while the job goes on says why: "stopped by SIGTERM".
    const bool stopped = code == StatusCode::kCancelled && !over() && draining_.empty();
    end_membership(*member, stopped && request.drained ? How::kDrained : How::kLeft,
                   stopped ? "was " + request.status.message() : "left", now);
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

core::Duration Coordinator::timeout_of(const Member& member) const {
  // Nothing is lost with a server that has no shards yet, and others stand still for it.
  const bool has_shards = member.name.role == Role::kServer && member.name.index < needed_;
  const core::Duration timeout = has_shards ? options_.server_timeout : options_.lease_timeout;
  return member.doubted ? std::min(timeout, kSilent) : timeout;
}

void Coordinator::expire(Member& member, TimePoint now) {
  using How = MemberEnded::How;
  if (now - member.last_heard >= timeout_of(member)) {
    if (member.doubted) return end_membership(member, How::kDied, "was started again", now);
    return end_membership(
        member, How::kUnheard,
        fmt::format("has not been heard of for {} s", core::whole_seconds(timeout_of(member))),
        now);
  }
  if (may_stall(member) && now - member.last_progress >= options_.stall_timeout) {
    end_membership(
        member, How::kStuck,
        fmt::format("is stuck: it {} (raise --stall-timeout if a step may take that long)",
                    standstill(member, options_.stall_timeout)),
        now);
  }
}

void Coordinator::forget(const Member& member) {
  placement_.remove(member);
  named_.erase(member.id);
  const auto attempt = attempts_.find(member.attempt);
  if (attempt != attempts_.end() && attempt->second == member.id) attempts_.erase(attempt);
  const core::ProcessFacts& process = member.name.process;
  const auto [begin, last] = processes_.equal_range(std::pair(process.host, process.pid));
  const auto its =
      std::find_if(begin, last, [&](const auto& one) { return one.second == member.id; });
  if (its != last) processes_.erase(its);
  if (member.name.role == Role::kServer) servers_.erase(member.name.index);
}

// A parameter server takes its shards with it; a worker only its lease.
void Coordinator::end_membership(Member& member, MemberEnded::How how, const std::string& fate,
                                 TimePoint now) {
  const bool server = member.name.role == Role::kServer;
  // It had nothing yet, and another is there.
  const bool harmless = member.doubted && phase_ == Phase::kWaitingForServers && !servers_ready();
  MemberEnded end{member.name, how, fate, over() ? -1 : member.partition};
  requeue(member);
  end_training(member);
  member.alive = false;
  member.end = end;
  forget(member);
  --live_[static_cast<size_t>(member.name.role)];
  news_.insert(member.id);
  happened(end, now);
  if (server && member.name.index >= needed_) {
    keep_servers(fmt::format("{} {}", member.name.to_string(), fate), now);
  } else if (server && !harmless) {
    abort(fmt::format("{} {}; its parameters are gone", member.name.to_string(), fate), now);
  }
  if (live(Role::kWorker) == 0) {
    // One that is given up as stuck may join again at once, and again be of no use.
    const bool useless = how == MemberEnded::How::kStuck && member.leases == 0;
    if (!server && !useless && phase_ == Phase::kTraining) idle_since_ = now;
    ungranted_ = {};
  } else if (!server && is_idle()) {
    idle_since_ = now;
  }
  due_ = std::min(due_, idle_until());
  say_waits(now);
}

}  // namespace sluice::driver
