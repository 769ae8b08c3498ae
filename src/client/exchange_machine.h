// What is decided during an exchange with all servers: which call starts when, which is repeated,
// for whom it waits, and when it gives up.
//
// What is exchanged goes in units, a message each. A push of one unit is one call. Of several units
// each is staged and then committed: with one server a commit may follow as soon as nothing is left
// to stage, for the server waits for what is under way; with several, none is committed before all
// servers have everything (wire/parameters.h), which is one round trip more.
//
// A few calls at a time are under way to each server, so that a unit's deadline does not run while
// others occupy the connection; calls whose answers a server holds, because others must get as far
// first, keep no others from starting. A call that fails in a way that may pass is repeated with
// the same bytes after a short, growing pause; nothing is applied twice. A server is given up when
// nothing was heard of it for `give_up_after`, neither an answer nor a pong: it is asked for one
// while a call is overdue. Deadlines therefore follow silence, not the size of messages: a call
// that ran out of time at a server that lives gets twice the time.
//
// Plain decisions: an event and the time in, actions out. Calls that are under way when an exchange
// fails are cut, and it ends when the last of them has.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/retry_machine.h"
#include "client/suspension.h"
#include "client/traffic_meter.h"
#include "core/clock.h"
#include "core/rng.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::client {

struct ExchangeOptions {
  core::Duration give_up_after = std::chrono::seconds(30);  // of a server's silence
  core::Duration call_timeout = std::chrono::seconds(10);   // the first; at most give_up_after
  core::Duration speak_after = std::chrono::seconds(2);     // of waiting for one call's answer
  Backoff backoff{std::chrono::milliseconds(50), std::chrono::seconds(2)};
  int calls_per_server = 3;  // at once: one is sent, one applied, one answered
  bool decided_pushes = false;  // ExchangeMachine::Kind::kDecidedPush
  // Whether ParameterClient::follow() will be called when shards have moved; else a call that finds
  // them gone fails.
  bool follows = false;
  // Of the values of whoever trains, as differences, where they go over a network.
  compression::Compression pull{};
  std::shared_ptr<TrafficMeter> traffic{};  // told of each exchange that has ended; null: nobody is
};

class ExchangeMachine {
 public:
  struct Unit {
    int server = 0;
    wire::ShardRange shards{};
  };
  enum class Kind {
    kOnce,         // a call for each unit
    kPush,         // of which all servers have to have everything before one applies it
    kDecidedPush,  // likewise, and the ledger server applies it first and says what became of it
  };
  struct Call {
    int index;  // of the unit
    Unit unit;
    wire::PushStep step;
    core::Duration timeout;
  };
  struct Ping {
    int server;
    core::Duration timeout;
  };
  // To be done in this order. Empty members: nothing.
  struct Actions {
    std::vector<Call> calls;                 // start them
    std::vector<Ping> pings;                 // ask these servers whether they live
    bool cut = false;                        // end all calls that are under way
    std::optional<std::string> waiting_for;  // whom this waits for has changed; empty: nobody
    std::optional<core::TimePoint> wake;     // call time() then, unless something comes before
    std::optional<Status> end;               // the exchange is over

    bool empty() const { return calls.empty() && pings.empty() && !cut && !waiting_for && !end; }
  };

  // `servers`: their addresses.
  ExchangeMachine(std::vector<std::string> servers, const ExchangeOptions& options, uint64_t seed);

  bool idle() const { return !running_; }

  // Begins an exchange. Only when idle. Of kDecidedPush to several servers there is one unit more,
  // the last: a commit that asks for no values, which is why its answer is not held.
  Actions start(Kind kind, std::vector<Unit> units, core::TimePoint now);
  const Unit& unit(int index) const { return units_[static_cast<size_t>(index)].unit; }
  // Of its present call, or of the next.
  wire::PushStep step(int index) const { return units_[static_cast<size_t>(index)].step; }
  Actions answered(int unit, const Status& status, core::TimePoint now);
  // `held_for`: whom the server holds answers for, "worker 3"; empty: nobody.
  Actions ponged(int server, const Status& status, core::TimePoint now,
                 const std::string& held_for = {});
  Actions time(core::TimePoint now);
  // The caller gives the exchange up: it ends with CANCELLED.
  Actions stop(core::TimePoint now);

 private:
  enum class State { kDone, kStaged, kQueued, kInFlight, kWaiting };
  struct Its {
    Unit unit;
    wire::PushStep step = wire::PushStep::kApply;  // of the present or next call
    State state = State::kQueued;
    int attempts = 0;
    int stretch = 0;  // of the server, when the call was issued
    core::TimePoint issued_at{};
    core::TimePoint exhausted_since{};  // answered RESOURCE_EXHAUSTED ever since
  };
  struct Server {
    std::deque<int> to_stage;    // units: to be staged, or done in one call
    std::deque<int> to_commit;   // units, which start when none is to be staged
    std::vector<int> in_flight;  // units, the oldest call first
    int committing = 0;          // of these
    int waiting = 0;             // units to be repeated
    core::TimePoint last_heard{};
    core::TimePoint last_ping{};
    bool pinging = false;
    Status last_failure;
    std::string held_for;
    int stretch = 0;         // call_timeout is doubled so many times
    bool touched = false;    // is in touched_
    core::TimePoint look{};  // is in looks_ with this; zero: is not
  };

  Its& its(int unit) { return units_[static_cast<size_t>(unit)]; }
  Server& server_of(int unit) { return servers_[static_cast<size_t>(its(unit).unit.server)]; }
  void queue(int unit);
  void succeeded(int unit);
  void commit_staged();
  void failed(int unit, const Status& status, core::TimePoint now, Actions& actions);
  void retry(int unit, core::TimePoint now);
  void fail(Status status, Actions& actions);
  void hold(int server, const std::string& held_for, Actions& actions);
  void excuse(core::TimePoint now);
  // Adds the actions that follow from the present state.
  void advance(core::TimePoint now, Actions& actions);
  void start_queued(Server& server, core::TimePoint now, Actions& actions);
  void start(std::deque<int>& queued, core::TimePoint now, Actions& actions);
  void touch(int server);
  void requeue_due(core::TimePoint now);
  void drop_what_waits();
  void watch(int server, core::TimePoint now, Actions& actions);
  core::TimePoint oldest_call(const Server& server) const;
  core::TimePoint next_look(const Server& server) const;
  void look_later(int server);
  void say(std::string whom, Actions& actions);
  void finish(Status status, Actions& actions);

  const std::vector<std::string> addresses_;
  const ExchangeOptions options_;
  core::Rng chance_;
  std::vector<Its> units_;
  std::vector<Server> servers_;
  std::set<std::pair<core::TimePoint, int>> waiting_;  // units to be repeated, and when
  // An event is about one server, and so is what follows from it: with many servers an exchange has
  // as many times as many events.
  std::vector<int> touched_;                           // servers of this event
  std::set<std::pair<core::TimePoint, int>> looks_;    // when a server is to be looked at
  int unfinished_ = 0;                                 // units
  int unstaged_ = 0;                                   // units
  int decider_ = -1;                                   // unit; -1: none
  int in_flight_ = 0;
  Suspension suspension_;
  bool running_ = false;
  std::optional<Status> failure_;  // what the exchange ends with when nothing is in flight
  enum class Said { kNothing, kOverdue, kHeld, kFailed } said_ = Said::kNothing;
  int failed_server_ = -1;  // whose failure was said
};

}  // namespace sluice::client
