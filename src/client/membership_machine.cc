#include "client/membership_machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace sluice::client {

using core::TimePoint;
using Actions = MembershipMachine::Actions;

namespace {

// So that a process can say that it waits for its driver.
constexpr core::Duration kLongestJoin = std::chrono::seconds(2);

// Of a member that leaves with `why`, as the driver understands it.
Ending ending_of(const Status& why) {
  switch (why.code()) {
    case StatusCode::kOk:
      return Ending::kDone;
    case StatusCode::kCancelled:
      return Ending::kAborted;
    case StatusCode::kInvalidArgument:
      return Ending::kRefused;
    default:
      return Ending::kFailed;
  }
}

}  // namespace

Actions MembershipMachine::start(TimePoint now) {
  joining_.emplace(RetryOptions{.give_up_after = join_timeout_, .longest_attempt = kLongestJoin},
                   now, seed_);
  return ask_to_join(now);
}

Actions MembershipMachine::ask_to_join(TimePoint now) {
  state_ = State::kJoining;
  joins_ = true;
  Actions actions;
  actions.join = joining_->timeout(now);
  return actions;
}

Actions MembershipMachine::join_answered(const Result<Joined>& reply, TimePoint now) {
  joins_ = false;
  if (state_ != State::kJoining) return {};
  if (reply.ok()) {
    state_ = State::kMember;
    times_ = reply->times;
    last_answer_ = now;
    return send_heartbeat(now);
  }
  const auto again = joining_->after(reply.status(), now);
  if (again) {
    Actions actions;
    // Whoever gives up before there is more to say says it once, at the end.
    if (join_timeout_ > kSayAgain) {
      actions.say = say_silent(reply.status(), joining_->silence(now), joining_->left(now), now);
    }
    actions.wake = *again;
    return actions;
  }
  const Status& why = reply.status();
  if (may_pass(why.code())) {
    return end(Ending::kNoDriver, silent_for(driver_, joining_->silence(now), why));
  }
  return end(why.code() == StatusCode::kCancelled ? Ending::kAborted : Ending::kRefused, why);
}

// First of all in every event of a member.
void MembershipMachine::excuse(TimePoint now) {
  if (suspension_.is_over(now)) last_answer_ = now;
}

Actions MembershipMachine::send_heartbeat(TimePoint now) {
  asked_ = true;
  asked_at_ = now;
  Actions actions;
  // Well below any lease: a call that hangs must leave time for another.
  actions.heartbeat = core::bounded(times_.interval) * 5 / 2;
  suspension_.expect(now + *actions.heartbeat);
  return actions;
}

Actions MembershipMachine::heartbeat_answered(const Result<wire::HeartbeatReply>& reply,
                                              const Asked& asked, TimePoint now) {
  asked_ = false;
  if (state_ != State::kMember) return {};
  excuse(now);
  Actions actions;
  if (!reply.ok()) {
    if (reply.status().code() == StatusCode::kNotFound) return unknown(reply.status(), now);
    const core::Duration silence = now - last_answer_;
    if (silence >= times_.give_up_after) {
      return end(Ending::kNoDriver, silent_for(driver_, silence, reply.status()));
    }
    actions.say = say_silent(reply.status(), silence, times_.give_up_after - silence, now);
  } else {
    last_answer_ = now;
    using Kind = wire::HeartbeatReply::Kind;
    if (reply->kind == Kind::kDone) return leave(ok_status());
    if (reply->kind == Kind::kAbort) return leave(cancelled(reply->reason));
    actions.lease_lost = reply->kind == Kind::kLeaseLost && asked.held;
    if (reply->kind == Kind::kDrain) actions.drain = reply->reason;
    if (asked.cut) actions.lease_cut = reply->last;
    actions.knobs = reply->knobs;
    actions.parameters = reply->parameters;
  }
  // A driver that answers at once, or a network that fails at once, must not be asked all the time.
  // News of knobs come no more often than people turn them, and the next must not be late. News of
  // the lease that is held now go to a heartbeat that is about it.
  actions.wake = std::max(now, asked_at_ + core::bounded(times_.interval));
  suspension_.expect(*actions.wake);
  if (*actions.wake > now && !asked.cut && !asked.other && !actions.knobs && !actions.parameters) {
    return actions;
  }
  Actions next = send_heartbeat(now);
  next.say = std::move(actions.say);
  next.lease_lost = actions.lease_lost;
  next.lease_cut = actions.lease_cut;
  next.drain = std::move(actions.drain);
  next.knobs = std::move(actions.knobs);
  next.parameters = std::move(actions.parameters);
  return next;
}

Actions MembershipMachine::time(TimePoint now) {
  if (state_ == State::kJoining && !joins_) return ask_to_join(now);
  if (state_ == State::kMember && !asked_ && now >= asked_at_ + core::bounded(times_.interval)) {
    excuse(now);
    return send_heartbeat(now);
  }
  return {};
}

Actions MembershipMachine::unknown(const Status& why, TimePoint now) {
  if (state_ != State::kMember) return {};
  asked_ = false;
  Actions actions = start(now);
  actions.lost = true;
  actions.say = why.message() + ": joining again";
  return actions;
}

Actions MembershipMachine::leave(Status why) {
  if (state_ == State::kLeaving || state_ == State::kEnded) return {};
  if (state_ != State::kMember) return end(ending_of(why), why);
  state_ = State::kLeaving;
  why_ = why;
  Actions actions;
  actions.leave = std::move(why);
  return actions;
}

// Whoever gives up because nobody answers, and cannot say so, has no driver.
Actions MembershipMachine::left(const Status& told) {
  if (state_ != State::kLeaving) return {};
  const bool silent = may_pass(told.code()) && may_pass(why_.code());
  return end(silent ? Ending::kNoDriver : ending_of(why_), why_);
}

Actions MembershipMachine::end(Ending ending, Status why) {
  state_ = State::kEnded;
  Actions actions;
  actions.ending = ending;
  actions.end = std::move(why);
  return actions;
}

// Every few seconds, not every time.
std::string MembershipMachine::say_silent(const Status& failed, core::Duration silence,
                                          core::Duration left, TimePoint now) {
  if (now - last_said_ < kSayAgain) return "";
  last_said_ = now;
  return waiting_for(driver_, silence, left, failed);
}

}  // namespace sluice::client
