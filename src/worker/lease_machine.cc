#include "worker/lease_machine.h"

#include <fmt/core.h>

#include <utility>

namespace sluice::worker {

using core::TimePoint;
using Actions = LeaseMachine::Actions;

Actions LeaseMachine::joined() {
  member_ = true;
  return state_ == State::kIdle ? next() : Actions();
}

Actions LeaseMachine::next() {
  state_ = State::kIdle;
  outdated_ = lease_lost_ = false;
  if (!member_) return {};
  if (stopped_) return leave(*stopped_);
  return prepared_ ? begin(State::kAcquiring, Step::kAcquire)
                   : begin(State::kPreparing, Step::kPrepare);
}

Actions LeaseMachine::begin(State state, Step step) {
  state_ = state;
  Actions actions;
  actions.begin = step;
  return actions;
}

// Whether the event is of the step that is under way, which it ends.
bool LeaseMachine::step_ended(State step) {
  if (state_ != step) return false;
  state_ = State::kIdle;
  return true;
}

Actions LeaseMachine::prepared(const Status& status) {
  if (!step_ended(State::kPreparing)) return {};
  if (outdated_) return next();
  if (!status.ok()) return leave(status);
  prepared_ = true;
  return next();
}

Actions LeaseMachine::acquired(const Result<wire::AcquireReply>& reply, TimePoint now) {
  if (!step_ended(State::kAcquiring)) return {};
  if (reply.status().code() == StatusCode::kNotFound) return unknown(reply.status());
  if (!reply.ok()) return leave(reply.status());
  switch (reply->kind) {
    case wire::AcquireReply::Kind::kDone:
      return leave(ok_status());
    case wire::AcquireReply::Kind::kAbort:
      return leave(cancelled(reply->reason));
    case wire::AcquireReply::Kind::kWait:
      return wait(*reply, now);
    case wire::AcquireReply::Kind::kGranted:
      break;
  }
  granted_ = *reply;
  Actions actions = begin(State::kOpening, Step::kOpen);
  set_waiting_for("", actions);
  return actions;
}

Actions LeaseMachine::wait(const wire::AcquireReply& reply, TimePoint now) {
  state_ = State::kPaused;
  pause_end_ = now + core::bounded(reply.retry_after);
  Actions actions;
  set_waiting_for(reply.reason, actions);
  actions.wake = pause_end_;
  return actions;
}

Actions LeaseMachine::opened(const Status& status) {
  if (!step_ended(State::kOpening)) return {};
  if (outdated_) return next();
  if (lease_lost_) return taken_away("was taken away");
  if (status.code() == StatusCode::kNotFound) return unknown(status);
  if (!status.ok()) return leave(status);
  return begin(State::kTraining, Step::kTrain);
}

Actions LeaseMachine::trained(const Status& status) {
  if (!step_ended(State::kTraining)) return {};
  if (outdated_) return next();
  if (status.ok()) return begin(State::kFinishing, Step::kFinish);
  // A server that works for another job has joined another driver's: whether this worker's driver
  // is there any more, and what it wants, it says itself.
  const bool taken = status.code() == StatusCode::kAborted ||
                     status.code() == StatusCode::kFailedPrecondition || lease_lost_;
  if (taken) {
    return taken_away("was taken away: " + status.message());
  }
  return leave(stopped_.value_or(status));
}

Actions LeaseMachine::finished(const Status& status) {
  if (!step_ended(State::kFinishing)) return {};
  if (status.code() == StatusCode::kFailedPrecondition) {
    return taken_away("was taken away at its end");
  }
  if (status.ok() || stopped_) return next();
  if (status.code() == StatusCode::kNotFound) return unknown(status);
  return leave(status);
}

// Not a failure: somebody else has the partition now.
Actions LeaseMachine::taken_away(const std::string& how) {
  Actions actions = next();
  actions.say = fmt::format("partition {} {}", granted_.lease.partition, how);
  return actions;
}

Actions LeaseMachine::lease_lost() {
  Actions actions;
  if (state_ != State::kOpening && state_ != State::kTraining) return actions;
  lease_lost_ = true;
  actions.cancel = true;
  if (stopped_) actions.wake = drain_end_;  // what was set before goes with what is cancelled
  return actions;
}

Actions LeaseMachine::lease_cut(int64_t last) {
  Actions actions;
  if (state_ != State::kOpening && state_ != State::kTraining) return actions;
  granted_.lease.last = last;
  actions.cut = last;
  return actions;
}

Actions LeaseMachine::membership_lost() {
  if (state_ == State::kOver) return {};
  if (stopped_) return leave(*stopped_);
  member_ = prepared_ = false;
  Actions actions;
  set_waiting_for("", actions);
  actions.cancel = is_calling() || is_working();
  if (is_calling()) state_ = State::kIdle;
  outdated_ = state_ != State::kIdle;
  return actions;
}

// As if the membership had been lost before, with nothing under way.
Actions LeaseMachine::unknown(const Status& why) {
  Actions actions = membership_lost();
  actions.unknown = why;
  return actions;
}

Actions LeaseMachine::ended() {
  Actions actions;
  actions.cancel = is_calling() || is_working();
  state_ = State::kOver;
  return actions;
}

Actions LeaseMachine::leave(Status why) {
  Actions actions = ended();
  actions.leave = std::move(why);
  actions.drained = drains_ && stopped_ && actions.leave == stopped_;
  return actions;
}

Actions LeaseMachine::stop(const std::string& reason, TimePoint now) {
  if (state_ == State::kOver || (stopped_ && !drains_)) return {};
  if (!stopped_) stopped_ = cancelled(reason);
  drains_ = false;
  return stop_within(kDrainTime, now);
}

Actions LeaseMachine::drain(const std::string& reason, TimePoint now) {
  if (stopped_ || state_ == State::kOver) return {};
  stopped_ = cancelled(reason);
  drains_ = true;
  return stop_within(kHandBackTime, now);
}

Actions LeaseMachine::stop_within(core::Duration time, TimePoint now) {
  const bool nearly_done = state_ == State::kFinishing;
  if (state_ != State::kTraining && !nearly_done) return leave(*stopped_);
  drain_end_ = now + time;
  Actions actions;
  actions.drain = !nearly_done;
  actions.wake = drain_end_;
  return actions;
}

Actions LeaseMachine::time(TimePoint now) {
  if (state_ == State::kOver) return {};
  if (stopped_ && now >= drain_end_) return leave(*stopped_);
  if (state_ == State::kPaused && now >= pause_end_) return next();
  return {};
}

void LeaseMachine::set_waiting_for(const std::string& whom, Actions& actions) {
  if (whom == waiting_for_) return;  // no news
  waiting_for_ = whom;
  actions.waiting_for = whom;
}

bool LeaseMachine::is_calling() const {
  return state_ == State::kAcquiring || state_ == State::kPaused || state_ == State::kFinishing;
}

bool LeaseMachine::is_working() const {
  return state_ == State::kOpening || state_ == State::kTraining;
}

}  // namespace sluice::worker
