#include "client/exchange_machine.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/check.h"

namespace sluice::client {

using core::TimePoint;
using wire::PushStep;

namespace {

// A pong is a small message, but may stand in line behind large ones; and several must fit into the
// time after which a server is given up.
constexpr int kPingsUntilGivenUp = 6;
constexpr int kMostStretch = 10;

void keep_earlier(std::optional<TimePoint>& at, TimePoint other) {
  at = at ? std::min(*at, other) : other;
}

}  // namespace

ExchangeMachine::ExchangeMachine(std::vector<std::string> servers, const ExchangeOptions& options,
                                 uint64_t seed)
    : addresses_(std::move(servers)),
      options_(options),
      chance_(seed),
      servers_(addresses_.size()) {
  SLUICE_CHECK(options.calls_per_server > 0);
}

ExchangeMachine::Actions ExchangeMachine::start(Kind kind, std::vector<Unit> units, TimePoint now) {
  SLUICE_CHECK(idle()) << "an exchange is under way";
  running_ = true;
  said_ = Said::kNothing;
  suspension_ = {};
  for (Server& server : servers_) {
    server.last_heard = now;
    server.last_failure = ok_status();
    server.held_for.clear();
    server.touched = false;
    server.look = {};
  }
  touched_.clear();
  looks_.clear();
  units_.clear();
  const bool in_steps = kind != Kind::kOnce && units.size() > 1;
  for (const Unit& unit : units) {
    SLUICE_CHECK(unit.server >= 0 && unit.server < std::ssize(servers_));
    units_.push_back({unit, in_steps ? PushStep::kStage : PushStep::kApply});
    queue(static_cast<int>(units_.size()) - 1);
  }
  unfinished_ = unstaged_ = static_cast<int>(units_.size());
  decider_ = -1;
  if (kind == Kind::kDecidedPush && in_steps && servers_.size() > 1) {
    decider_ = unfinished_++;
    units_.push_back({{wire::ShardMap::kLedgerServer, {0, 0}}, PushStep::kCommit, State::kStaged});
  }
  Actions actions;
  advance(now, actions);
  return actions;
}

void ExchangeMachine::queue(int unit) {
  its(unit).state = State::kQueued;
  Server& server = server_of(unit);
  (its(unit).step == PushStep::kCommit ? server.to_commit : server.to_stage).push_back(unit);
  touch(its(unit).unit.server);
}

void ExchangeMachine::touch(int server) {
  if (!std::exchange(servers_[static_cast<size_t>(server)].touched, true)) {
    touched_.push_back(server);
  }
}

// First of all in every event of an exchange.
void ExchangeMachine::excuse(TimePoint now) {
  if (!suspension_.is_over(now)) return;
  for (size_t server = 0; server < servers_.size(); ++server) {
    servers_[server].last_heard = now;
    touch(static_cast<int>(server));
  }
}

ExchangeMachine::Actions ExchangeMachine::answered(int index, const Status& status, TimePoint now) {
  Server& server = server_of(index);
  SLUICE_CHECK(its(index).state == State::kInFlight) << "unit " << index << " was not asked for";
  excuse(now);
  std::erase(server.in_flight, index);
  touch(its(index).unit.server);
  if (its(index).step == PushStep::kCommit) --server.committing;
  --in_flight_;
  Actions actions;
  if (status.ok()) {
    server.last_heard = now;
    succeeded(index);
  } else {
    failed(index, status, now, actions);
  }
  advance(now, actions);
  return actions;
}

void ExchangeMachine::succeeded(int index) {
  Its& unit = its(index);
  unit.exhausted_since = {};
  if (unit.step != PushStep::kStage) {
    unit.state = State::kDone;
    --unfinished_;
    if (index == decider_) commit_staged();
    return;
  }
  unit.step = PushStep::kCommit;
  unit.state = State::kStaged;
  unit.attempts = 0;
  --unstaged_;
  if (failure_) return;
  if (servers_.size() == 1) {
    queue(index);
  } else if (unstaged_ == 0 && decider_ >= 0) {
    queue(decider_);
  } else if (unstaged_ == 0) {
    commit_staged();
  }
}

void ExchangeMachine::commit_staged() {
  for (size_t i = 0; i < units_.size() && !failure_; ++i) {
    if (units_[i].state == State::kStaged) queue(static_cast<int>(i));
  }
}

ExchangeMachine::Actions ExchangeMachine::ponged(int index, const Status& status, TimePoint now,
                                                 const std::string& held_for) {
  Server& server = servers_[static_cast<size_t>(index)];
  server.pinging = false;
  Actions actions;
  if (!running_) return actions;
  excuse(now);
  touch(index);
  if (status.ok()) {
    server.last_heard = now;
    hold(index, held_for, actions);
  } else if (may_pass(status.code())) {
    server.last_failure = status;
    server.held_for.clear();                             // it may be the server now
  } else if (status.code() != StatusCode::kCancelled) {  // cut with an exchange that has ended
    fail(status, actions);                               // it works for another job
  }
  advance(now, actions);
  return actions;
}

// Another server's failure is the worse news.
void ExchangeMachine::hold(int index, const std::string& held_for, Actions& actions) {
  Server& server = servers_[static_cast<size_t>(index)];
  const bool is_news = std::exchange(server.held_for, held_for) != held_for;
  if (held_for.empty()) return;
  if (said_ == Said::kFailed ? failed_server_ != index : !is_news) return;
  said_ = Said::kHeld;
  std::string behind;
  if (held_for.starts_with("worker")) {
    behind = held_for.starts_with("workers") ? ", which are behind" : ", which is behind";
  }
  say(held_for + behind, actions);
}

ExchangeMachine::Actions ExchangeMachine::time(TimePoint now) {
  Actions actions;
  if (!running_) return actions;
  excuse(now);
  advance(now, actions);
  return actions;
}

ExchangeMachine::Actions ExchangeMachine::stop(TimePoint now) {
  Actions actions;
  if (!running_) return actions;
  fail(cancelled("stopped"), actions);
  advance(now, actions);
  return actions;
}

void ExchangeMachine::failed(int index, const Status& status, TimePoint now, Actions& actions) {
  Its& unit = its(index);
  Server& server = server_of(index);
  if (failure_) {
    unit.state = State::kDone;
    return;
  }
  if (!may_pass(status.code())) {
    unit.state = State::kDone;
    return fail(status, actions);
  }
  server.last_failure = status;
  const bool lives = server.last_heard > unit.issued_at;
  if (status.code() == StatusCode::kDeadlineExceeded && lives) {
    server.stretch = std::max(server.stretch, std::min(unit.stretch + 1, kMostStretch));
  }
  if (status.code() == StatusCode::kResourceExhausted) {
    server.last_heard = now;
    if (unit.exhausted_since == TimePoint{}) unit.exhausted_since = now;
    if (now - unit.exhausted_since >= options_.give_up_after) {
      unit.state = State::kDone;
      return fail(status, actions);
    }
  }
  retry(index, now);
  // A call whose answer is held may run out of time without anything being wrong with the server.
  const bool is_held = status.code() == StatusCode::kDeadlineExceeded && !server.held_for.empty();
  if (said_ != Said::kFailed && !is_held) {
    said_ = Said::kFailed;
    failed_server_ = unit.unit.server;
    say(who_failed("server at " + addresses_[static_cast<size_t>(failed_server_)], status),
        actions);
  }
}

void ExchangeMachine::retry(int index, TimePoint now) {
  its(index).state = State::kWaiting;
  waiting_.emplace(now + options_.backoff.after(its(index).attempts, chance_), index);
  ++server_of(index).waiting;
}

// Nothing new is started any more; the end comes when nothing is in flight.
void ExchangeMachine::fail(Status status, Actions& actions) {
  if (failure_) return;
  failure_ = std::move(status);
  drop_what_waits();
  actions.cut = in_flight_ > 0;
}

void ExchangeMachine::drop_what_waits() {
  waiting_.clear();
  for (Server& server : servers_) {
    server.to_stage.clear();
    server.to_commit.clear();
    server.waiting = 0;
  }
}

void ExchangeMachine::advance(TimePoint now, Actions& actions) {
  requeue_due(now);
  while (!looks_.empty() && looks_.begin()->first <= now) {
    const int server = looks_.begin()->second;
    looks_.erase(looks_.begin());
    servers_[static_cast<size_t>(server)].look = {};
    touch(server);
  }
  for (size_t i = 0; i < touched_.size() && !failure_; ++i) watch(touched_[i], now, actions);
  if (failure_) {
    if (in_flight_ == 0) finish(*std::exchange(failure_, std::nullopt), actions);
    return;
  }
  if (unfinished_ == 0) return finish(ok_status(), actions);
  std::ranges::sort(touched_);
  for (const int server : std::exchange(touched_, {})) {
    servers_[static_cast<size_t>(server)].touched = false;
    start_queued(servers_[static_cast<size_t>(server)], now, actions);
    look_later(server);
  }
  if (!looks_.empty()) actions.wake = looks_.begin()->first;
  if (!waiting_.empty()) keep_earlier(actions.wake, waiting_.begin()->first);
  if (actions.wake) suspension_.expect(*actions.wake);
}

void ExchangeMachine::requeue_due(TimePoint now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const int index = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    queue(index);
    --server_of(index).waiting;
  }
}

void ExchangeMachine::start_queued(Server& server, TimePoint now, Actions& actions) {
  const auto in_flight = [&] { return static_cast<int>(server.in_flight.size()); };
  const auto has_room = [&](int others) {
    return !server.held_for.empty() || others < options_.calls_per_server;
  };
  // Commits that the server holds must not keep it from getting the rest.
  while (!server.to_stage.empty() && has_room(in_flight() - server.committing)) {
    start(server.to_stage, now, actions);
  }
  while (server.to_stage.empty() && !server.to_commit.empty() && has_room(server.committing)) {
    ++server.committing;
    start(server.to_commit, now, actions);
  }
}

void ExchangeMachine::start(std::deque<int>& queued, TimePoint now, Actions& actions) {
  const int index = queued.front();
  queued.pop_front();
  Server& server = server_of(index);
  server.in_flight.push_back(index);
  ++in_flight_;
  Its& unit = its(index);
  unit.state = State::kInFlight;
  unit.issued_at = now;
  unit.stretch = server.stretch;
  ++unit.attempts;
  const auto timeout = std::min(options_.call_timeout, options_.give_up_after);
  actions.calls.push_back({index, unit.unit, unit.step, timeout * (1 << server.stretch)});
}

TimePoint ExchangeMachine::oldest_call(const Server& server) const {
  return units_[static_cast<size_t>(server.in_flight.front())].issued_at;
}

// Looks after a server that has not answered a call yet.
void ExchangeMachine::watch(int index, TimePoint now, Actions& actions) {
  Server& server = servers_[static_cast<size_t>(index)];
  if (server.in_flight.empty() && server.waiting == 0) return;
  const auto who = [&] { return "server at " + addresses_[static_cast<size_t>(index)]; };
  const core::Duration silence = now - server.last_heard;
  if (silence >= options_.give_up_after) {
    const bool failed = !server.last_failure.ok();
    return fail(silent_for(who(), silence, failed ? server.last_failure : unavailable("no answer")),
                actions);
  }
  if (server.in_flight.empty() || now - oldest_call(server) < options_.speak_after) return;
  if (said_ == Said::kNothing) {
    said_ = Said::kOverdue;
    say(who() + ", which has not answered yet", actions);
  }
  if (!server.pinging && now - server.last_ping >= options_.speak_after) {
    server.pinging = true;
    server.last_ping = now;
    actions.pings.push_back({index, options_.give_up_after / kPingsUntilGivenUp});
  }
}

// When watch() may have something to do, at the earliest.
TimePoint ExchangeMachine::next_look(const Server& server) const {
  if (server.in_flight.empty() && server.waiting == 0) return TimePoint::max();
  const TimePoint given_up = server.last_heard + core::bounded(options_.give_up_after);
  if (server.in_flight.empty() || server.pinging) return given_up;
  return std::min(given_up, std::max(oldest_call(server), server.last_ping) + options_.speak_after);
}

void ExchangeMachine::look_later(int index) {
  Server& server = servers_[static_cast<size_t>(index)];
  const TimePoint when = next_look(server);
  if (when == server.look) return;
  if (server.look != TimePoint{}) looks_.erase({server.look, index});
  server.look = when == TimePoint::max() ? TimePoint{} : when;
  if (server.look != TimePoint{}) looks_.emplace(server.look, index);
}

void ExchangeMachine::say(std::string whom, Actions& actions) {
  actions.waiting_for = std::move(whom);
}

void ExchangeMachine::finish(Status status, Actions& actions) {
  running_ = false;
  if (said_ != Said::kNothing) actions.waiting_for = "";
  actions.end = std::move(status);
}

}  // namespace sluice::client
