// Driver's answers to its members.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {
namespace {

// At most; what waits for them gives up its attempt after a fifth of its patience with the driver.
constexpr core::Duration kFenceCall = std::chrono::seconds(5);
// How long a worker that finds nothing to do is kept waiting before it hears for whom.
constexpr core::Duration kHoldAcquire = std::chrono::seconds(1);
// Before a grant that failed is tried again: a server cannot be reached.
constexpr core::Duration kRetryGrant = std::chrono::seconds(1);
constexpr const char* kGivenToAnother = "its turn: the lease was given to another worker meanwhile";
// More cannot be meant: a member would not notice that its driver is gone.
constexpr core::Duration kLongestHold = std::chrono::seconds(10);

}  // namespace

void Driver::join(const wire::JoinRequest& request, core::Reply<Result<wire::JoinReply>> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    reply(coordinator_.join(request, world_.now()));
    changed();
  });
}

void Driver::acquire(const wire::AcquireRequest& request,
                     core::Reply<Result<wire::AcquireReply>> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    decide_acquire({request, std::move(reply)}, /*may_hold=*/true);
    changed();
  });
}

void Driver::decide_acquire(HeldAcquires::Call call, bool may_hold) {
  const core::TimePoint now = world_.now();
  Result<wire::AcquireReply> answer = coordinator_.acquire(call.request, now);
  if (!answer.ok()) return call.reply(std::move(answer));
  if (answer->kind == wire::AcquireReply::Kind::kGranted) {
    return begin_grant(std::move(call), *std::move(answer));
  }
  if (answer->kind == wire::AcquireReply::Kind::kWait && may_hold) {
    return hold(std::move(call), now + within_an_attempt(kHoldAcquire));
  }
  call.reply(std::move(answer));
}

// A worker that asks has an answer before it asks again: its attempts are parts of its patience.
core::Duration Driver::within_an_attempt(core::Duration time) const {
  return std::min(time, options_.training.driver_timeout / 10);
}

// A grant is two decisions with a round trip, or two, between them: no push under an older lease
// may be applied once the new holder has been told where to start.
void Driver::begin_grant(HeldAcquires::Call call, wire::AcquireReply answer) {
  const wire::Lease lease = answer.lease;
  const int64_t number = ++last_grant_;
  grants_.emplace(number, Grant{GrantMachine(lease, servers()), call.request.member,
                                std::move(answer), std::move(call.reply)});
  fence(number, lease);
}

// A worker may have died between two servers that it told to apply a push: then the other is told
// by the driver, as when its lease is granted to another.
void Driver::settle(const std::function<void()>& done) {
  std::vector<wire::Lease> leases;
  if (servers() > 1) leases = coordinator_.leases_left();
  if (leases.empty()) return done();
  const auto left = std::make_shared<size_t>(leases.size());
  for (const wire::Lease& lease : leases) {
    const int64_t number = ++last_grant_;
    grants_.emplace(number,
                    Grant{.machine = GrantMachine(lease, servers()), .settled = [left, done] {
                            if (--*left == 0) done();
                          }});
    fence(number, lease);
  }
}

// Every server is told of the lease; what they say is the grant's.
void Driver::fence(int64_t number, const wire::Lease& lease) {
  gates_told_.resize(channels_.size());
  const int64_t generation = coordinator_.gate().generation;
  for (size_t server = 0; server < channels_.size(); ++server) {
    GateTold& told = gates_told_[server];
    const wire::FenceRequest request{job_,
                                     lease.partition,
                                     lease.incarnation,
                                     lease.next_sequence,
                                     lease.last,
                                     coordinator_.gate_since(told.heard)};
    told.sent = generation;
    channels_[server]->fence(
        request, {within_an_attempt(kFenceCall)},
        lifetime_->on(strand_, [this, number, server, generation,
                                revision = revision_](const Result<wire::FenceReply>& fence) {
          if (fence.ok()) heard_gate(revision, server, generation);
          const auto it = grants_.find(number);
          if (it != grants_.end()) go_on(number, it->second.machine.fenced(server, fence));
        }));
  }
}

// What the worker who had begun it left undone.
void Driver::commit(int64_t number, const GrantMachine::Commit& commit) {
  wire::PushHeader header;
  header.job = job_;
  header.revision = revision_;
  header.shards = {0, 0};  // nobody wants values
  header.member = -1;
  header.id = commit.id;
  header.step = wire::PushStep::kCommit;
  header.superseded = commit.superseded;
  for (const size_t server : commit.servers) {
    channels_[server]->exchange(header, {}, {}, {within_an_attempt(kFenceCall)},
                                lifetime_->on(strand_, [this, number](const auto& answer) {
                                  const auto it = grants_.find(number);
                                  if (it != grants_.end())
                                    go_on(number, it->second.machine.committed(answer.status()));
                                }));
  }
}

void Driver::go_on(int64_t number, const GrantMachine::Next& next) {
  if (!next.commit && !next.decision) return;
  const auto it = grants_.find(number);
  const wire::Lease lease = it->second.machine.lease();
  // What servers say of a lease that was lost meanwhile may be of a later one.
  const bool lost = !it->second.settled && !coordinator_.holds(lease);
  if (next.commit && !lost) return commit(number, *next.commit);
  Grant grant = std::move(it->second);
  grants_.erase(it);
  if (grant.settled) {
    if (!next.decision->why.ok()) {
      SLUICE_LOG(warn,
                 "a push that a worker had begun may be kept in part of the parameters only, for a "
                 "server could not be asked: {}",
                 next.decision->why.message());
    }
    return grant.settled();
  }
  const core::TimePoint now = world_.now();
  wire::AcquireReply answer;
  answer.retry_after = kRetryGrant;
  GrantMachine::Decision decision{GrantMachine::Outcome::kGranted, lease, ok_status()};
  if (next.decision) decision = *next.decision;
  if (lost && decision.outcome == GrantMachine::Outcome::kFailed) {
    decision.outcome = GrantMachine::Outcome::kGranted;
  }
  switch (decision.outcome) {
    case GrantMachine::Outcome::kGranted:
      if (coordinator_.granted(decision.lease, now)) {
        if (!training_since_) training_since_ = last_epoch_end_ = now;
        answer = std::move(grant.answer);
        answer.lease = decision.lease;
      } else if (coordinator_.wants_lease(grant.member)) {  // all of this one had been trained
        decide_acquire({{job_, grant.member}, std::move(grant.reply)}, /*may_hold=*/true);
        return changed();
      } else {
        answer.reason = kGivenToAnother;
      }
      break;
    case GrantMachine::Outcome::kWait:
      answer.reason = decision.why.message();
      gates_told_.assign(channels_.size(), {});  // a server may not have heard it
      coordinator_.not_granted(decision.lease, answer.reason, now);
      break;
    case GrantMachine::Outcome::kFailed:
      fail(decision.why);
      answer.kind = wire::AcquireReply::Kind::kAbort;
      answer.reason = decision.why.message();
      break;
  }
  grant.reply(std::move(answer));
  changed();
}

// The job is over: its words are better than what a server may still say.
void Driver::answer_grants() {
  for (auto& [number, grant] : std::exchange(grants_, {})) {
    if (grant.settled) continue;
    grant.reply(coordinator_.acquire({job_, grant.member}, world_.now()));
  }
}

void Driver::heartbeat(const wire::HeartbeatRequest& request,
                       core::Reply<Result<wire::HeartbeatReply>> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    const core::TimePoint now = world_.now();
    Result<wire::HeartbeatReply> answer = coordinator_.heartbeat(request, now);
    const bool news = !answer.ok() || answer->kind != wire::HeartbeatReply::Kind::kContinue ||
                      answer->last != 0 || answer->knobs.has_value() ||
                      answer->parameters.has_value();
    if (news || request.hold <= core::Duration::zero()) {
      reply(std::move(answer));
    } else {
      hold({request, std::move(reply)}, now + std::min(request.hold, kLongestHold));
    }
    changed();
  });
}

void Driver::finish(const wire::FinishRequest& request, core::Reply<Status> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    reply(coordinator_.finish(request, world_.now()));
    changed();
  });
}

void Driver::leave(const wire::LeaveRequest& request, core::Reply<Status> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    const auto member = coordinator_.members().find(request.member);
    // A signal that is for all processes of a job comes to its servers too.
    if (may_keep() && request.status.code() == StatusCode::kCancelled && request.job == job_ &&
        member != coordinator_.members().end() && member->second.alive &&
        member->second.name.role == wire::Role::kServer && member->second.name.index < servers()) {
      leaving_.push_back({request, std::move(reply)});
      stop_and_keep(
          fmt::format("{} was {}", member->second.name.to_string(), request.status.message()),
          kKeeping);
      return changed();
    }
    // First the event, then the answer: a launcher must know why before the process is gone.
    const Status left = coordinator_.leave(request, world_.now());
    changed();
    reply(left);
  });
}

void Driver::fetch(const wire::FetchRequest& request,
                   core::Reply<Result<wire::RecordChunk>> reply) {
  if (request.job != job_) {
    return reply(not_found(fmt::format("this driver works for another job than {}", request.job)));
  }
  record_server_.fetch(request.partition, request.first,
                       [this, reply = std::move(reply)](Result<wire::RecordChunk> chunk) mutable {
                         // Whoever asks has them nowhere else.
                         if (chunk.status().code() == StatusCode::kDataLoss) {
                           abort(chunk.status().message());
                         }
                         reply(std::move(chunk));
                       });
}

// --- What is held ---

void Driver::hold(HeldHeartbeats::Call call, core::TimePoint until) {
  if (auto before = heartbeats_.hold(std::move(call), until)) {
    before->reply(wire::HeartbeatReply{});
  }
}

void Driver::hold(HeldAcquires::Call call, core::TimePoint until) {
  if (auto before = acquires_.hold(std::move(call), until)) {
    before->reply(wire::AcquireReply{});
  }
}

// Whoever has waited for what has just happened: as if they had asked now.
void Driver::answer_held() {
  for (const int64_t member : coordinator_.take_news()) {
    if (auto held = heartbeats_.take(member)) {
      held->reply(coordinator_.heartbeat(held->request, world_.now()));
    }
  }
  while (!acquires_.empty() && coordinator_.has_work()) {
    decide_acquire(*acquires_.take_first(), /*may_hold=*/false);
  }
}

// Whoever has waited long enough.
void Driver::release_held(core::TimePoint now) {
  while (auto held = heartbeats_.take_due(now)) held->reply(wire::HeartbeatReply{});
  while (auto held = acquires_.take_due(now)) {
    decide_acquire(*std::move(held), /*may_hold=*/false);
  }
}

core::TimePoint Driver::next_release() const {
  return std::min(heartbeats_.next_due(), acquires_.next_due());
}

}  // namespace sluice::driver
