// For whom the job waits, and since when a member has been silent or stuck.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "driver/coordinator.h"

namespace sluice::driver {

using core::TimePoint;
using wire::Role;

namespace {

// The most that are named in one sentence.
constexpr int kMostNamed = 3;

}  // namespace

WaitsFor Coordinator::waits_for(TimePoint now) const {
  WaitsFor waits;
  if (phase_ == Phase::kWaitingForServers) {
    if (!servers_ready()) return missing_members();
    waits.whom = "the parameter servers to take the model";
    return waits;
  }
  if (phase_ != Phase::kTraining) return waits;
  if (!move_waits_for_.empty()) {
    waits.whom = move_waits_for_ + ", without which shards do not go to other servers";
    return waits;
  }
  if (gathering_ && !knobs_.paused) return missing_members();
  if (!knobs_.paused && (live(Role::kWorker) == 0 || too_few_workers())) {
    waits.whom = options_.min_workers <= 1 ? "a worker to join"
                                           : fmt::format("{} of {} worker(s) to join",
                                                         options_.min_workers - live(Role::kWorker),
                                                         options_.min_workers);
    if (is_idle()) waits.until = idle_until();
    waits.advice = how_to_start("worker");
    return waits;
  }
  waits = members_waited_for();
  if (!waits.whom.empty()) return waits;
  if (knobs_.paused) {
    waits.whom = wire::kToBeResumed;
    waits.advice = "it goes on with: sluice ctl resume";
  } else if (!ungranted_.because.empty()) {
    waits.whom = "a parameter server: " + ungranted_.because;
    waits.until = std::max(now, ungranted_.since + options_.server_timeout);
  } else if (!wanted_servers_ready()) {
    return missing_servers();
  }
  return waits;
}

// Of those that were asked for while the job trains, which goes on without them.
WaitsFor Coordinator::missing_servers() const {
  WaitsFor waits;
  waits.whom = fmt::format("{} of {} parameter server(s) to join; meanwhile the job trains with {}",
                           servers_wanted_ - live(Role::kServer), servers_wanted_, needed_);
  const std::string call_off = fmt::format("sluice ctl scale servers={}", needed_);
  const std::string start = how_to_start("server");
  waits.advice = start.empty() ? "call it off with: " + call_off
                               : fmt::format("{}; or call it off with: {}", start, call_off);
  return waits;
}

// Servers and workers in one sentence, so that people start all that are missing at once.
WaitsFor Coordinator::missing_members() const {
  const auto missing = [this](Role role, int all, const char* name) {
    const int absent = all - live(role);
    return absent <= 0 ? std::string() : fmt::format("{} of {} {}", absent, all, name);
  };
  const std::string servers = missing(Role::kServer, needed_, "parameter server(s)");
  const std::string workers = missing(Role::kWorker, workers_wanted_, "worker(s)");
  const char* both = servers.empty() || workers.empty() ? "" : " and ";
  WaitsFor waits;
  waits.whom = fmt::format("{}{}{} to join", servers, both, workers);
  if (is_idle()) waits.until = idle_until();
  waits.advice = how_to_start(workers.empty()   ? "server"
                              : servers.empty() ? "worker"
                                                : "server|worker");
  return waits;
}

// `roles`: "worker", or several. Children of the driver's own process come by themselves.
std::string Coordinator::how_to_start(const std::string& roles) const {
  if (address_.empty()) return "";
  return fmt::format("start it with: sluice {} --driver {}", roles, address_);
}

// "worker 2 of 3", where it is known how many there should be.
std::string Coordinator::name_of(const Member& member) const {
  const int all = member.name.role == Role::kServer ? needed_ : workers_wanted_;
  const std::string name = fmt::format("{} {}", to_text(member.name.role), member.name.index);
  return all > 1 && member.name.index < all ? fmt::format("{} of {}", name, all) : name;
}

// While a silent server is named, workers that wait for a server are not: the cause is the same.
// Likewise who waits for a worker: not the victims are named, but whom they wait for.
WaitsFor Coordinator::members_waited_for() const {
  const bool server_named = std::ranges::any_of(
      named_, [this](int64_t id) { return members_.at(id).name.role == Role::kServer; });
  WaitsFor waits;
  int named = 0;
  std::string behind;
  for (const int64_t id : named_) {
    const Member& member = members_.at(id);
    const bool worker = member.name.role == Role::kWorker;
    if (worker && member.waiting_for.starts_with("worker")) {
      behind = member.waiting_for;
      continue;
    }
    if (server_named && worker && !member.waiting_for.empty()) continue;
    if (++named > kMostNamed) {
      waits.whom += "; and others";
      break;
    }
    waits.whom += fmt::format("{}{}, which {}", waits.whom.empty() ? "" : "; ", name_of(member),
                              member.named_because);
    // Of those that are given up at some time, the first; they are what the others wait for.
    const TimePoint until = given_up_at(member);
    if (named > 1 && (waits.until || until == TimePoint::max())) continue;
    waits.seen = member.last_heard;
    waits.where = core::to_text(member.name.process);
    if (until != TimePoint::max()) waits.until = until;
  }
  if (named == 0) waits.whom = behind;
  return waits;
}

// Of a member that is silent or stands still; never: of one that itself waits for somebody.
TimePoint Coordinator::given_up_at(const Member& member) const {
  if (member.last_heard + kSilent <= last_event_) return member.last_heard + timeout_of(member);
  const bool stands = member.waiting_for.empty() && may_stall(member);
  return stands ? member.last_progress + options_.stall_timeout : TimePoint::max();
}

std::string Coordinator::whom_idle_workers_wait_for() const {
  std::string holders;
  int named = 0;
  for (const int64_t id : leases_.holders(kMostNamed + 1)) {
    if (++named > kMostNamed) {
      holders += " and others";
      break;
    }
    holders += fmt::format("{}{}", holders.empty() ? "" : ", ", members_.at(id).name.index);
  }
  return "the last leases to be finished by worker(s) " + holders;
}

// When the job begins to wait for this member, unless something is heard of it before.
TimePoint Coordinator::silent_at(const Member& member) const {
  const bool needed = member.name.role == Role::kServer || member.partition >= 0;
  const bool missed = member.alive && needed && phase_ == Phase::kTraining;
  return missed ? member.last_heard + kSilent : TimePoint::max();
}

// Also without a lease, when there is one that it does not ask for.
bool Coordinator::may_stall(const Member& member) const {
  const bool needed = member.partition >= 0 || leases_.any_free();
  return member.alive && member.name.role == Role::kWorker && needed &&
         phase_ == Phase::kTraining && !knobs_.paused;
}

TimePoint Coordinator::stalled_at(const Member& member) const {
  return may_stall(member) ? member.last_progress + options_.name_stalled_after : TimePoint::max();
}

std::string Coordinator::standstill(const Member& member, core::Duration time) const {
  const int64_t seconds = core::whole_seconds(time);
  if (member.partition < 0) return fmt::format("has got nothing done for {} s", seconds);
  return fmt::format("has stood at step {} of partition {} for {} s", member.step, member.partition,
                     seconds);
}

std::string Coordinator::why_named(const Member& member, TimePoint now) const {
  if (now >= silent_at(member)) return "has not been heard of for some seconds";
  // Its last word may be older than the job's being resumed.
  if (member.waiting_for == wire::kToBeResumed) return "";
  const bool holds = may_stall(member) && member.partition >= 0;
  const bool serves = member.name.role == Role::kServer && phase_ == Phase::kTraining;
  if ((holds || serves) && !member.waiting_for.empty()) return "waits for " + member.waiting_for;
  if (now < stalled_at(member)) return "";
  return standstill(member, options_.name_stalled_after);
}

// Updates why the job waits for this member; whether that has changed.
bool Coordinator::look_at(Member& member, TimePoint now) {
  std::string why = member.alive ? why_named(member, now) : "";
  if (why == member.named_because) return false;
  member.named_because = std::move(why);
  if (member.named_because.empty()) {
    named_.erase(member.id);
  } else {
    named_.insert(member.id);
  }
  return true;
}

// Called after every event of one member: updates when the next timeout is due, and for whom the
// job waits. Looks at this member only: there may be many, and each is heard of every second.
void Coordinator::happened_to(Member& member, TimePoint now) {
  due_ = std::min(due_, next_event_of(member, now));
  if (look_at(member, now)) say_waits(now);
}

void Coordinator::say_waits(TimePoint now) {
  WaitsFor waits = waits_for(now);
  if (waits.whom == said_) return;
  said_ = waits.whom;
  said_since_ = waits.since = now;
  happened(std::move(waits), now);
}

}  // namespace sluice::driver
