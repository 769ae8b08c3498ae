// What a process decides about its membership in a job: when to join, to send heartbeats, to join
// again because the driver has given it up, to give up a silent driver, and to leave.
//
//   joining --joined--> member --the driver does not know it any more--> joining ...
//      |                  |--the job is over or aborted--> leaving --> ended
//      |                  |--the driver is silent for too long--> ended
//      +--refused, or no driver--> ended
//
// A heartbeat is answered when there is news for the member, at the latest after `interval`: so one
// is always waiting at the driver, and news reach the member within one message. A lease may be cut
// several times in a row: the next heartbeat follows such news at once.
// Plain decisions: an event and the time in, actions out.
#pragma once

#include <optional>
#include <string>

#include "client/retry_machine.h"
#include "core/clock.h"
#include "wire/control.h"

namespace sluice::client {

struct HeartbeatTimes {
  core::Duration interval = std::chrono::seconds(1);
  core::Duration give_up_after = std::chrono::seconds(30);  // of silence from the driver
};

// How a membership has come to its end.
enum class Ending {
  kDone,      // with the job, or with this member's work
  kAborted,   // the driver ended the job, or a signal this member
  kDrained,   // this member was asked to make room, and has
  kNoDriver,  // it never answered, or answers no more
  kRefused,   // the driver would not have this member, or the job makes no sense here
  kFailed,    // this member gave up for a reason of its own
};

class MembershipMachine {
 public:
  // To be done in this order. Empty members: nothing.
  struct Actions {
    std::optional<core::Duration> join;       // ask to join; the call's timeout
    std::optional<core::Duration> heartbeat;  // likewise
    std::optional<Status> leave;              // tell the driver
    bool lost = false;                        // the membership is gone; it joins again
    bool lease_lost = false;                  // the lease that is held is another's now
    int64_t lease_cut = 0;                    // not 0: it ends with this push now
    std::optional<wire::Knobs> knobs;         // to be in force from now on
    std::optional<wire::Placement> parameters;  // likewise
    std::string drain;                        // not empty: end the push under way and leave; why
    std::string say;                          // a line for the log, as a warning
    std::optional<core::TimePoint> wake;      // call time() then
    std::optional<Status> end;                // why this is no member any more; the last action
    Ending ending = Ending::kFailed;          // of `end`
  };
  // What a reply to a join says.
  struct Joined {
    int64_t member = 0;
    HeartbeatTimes times;
  };

  // `driver`: its address, for messages. `join_timeout`: for the driver to be there.
  MembershipMachine(std::string driver, core::Duration join_timeout, uint64_t seed)
      : driver_("the driver at " + std::move(driver)), join_timeout_(join_timeout), seed_(seed) {}

  Actions start(core::TimePoint now);
  Actions join_answered(const Result<Joined>& reply, core::TimePoint now);
  // What an answered heartbeat was about, seen from now.
  struct Asked {
    bool held = false;   // the lease that is held now
    bool cut = false;    // which the reply ends earlier
    bool other = false;  // another lease than is held now, or none
  };
  Actions heartbeat_answered(const Result<wire::HeartbeatReply>& reply, const Asked& asked,
                             core::TimePoint now);
  Actions time(core::TimePoint now);
  // Another call was answered with `why`: the driver does not know this member.
  Actions unknown(const Status& why, core::TimePoint now);
  // This process ends its membership. OK: it has done its work.
  Actions leave(Status why);
  // The driver was told, or does not answer.
  Actions left(const Status& told = ok_status());

 private:
  enum class State { kIdle, kJoining, kMember, kLeaving, kEnded };

  void excuse(core::TimePoint now);
  Actions ask_to_join(core::TimePoint now);
  Actions send_heartbeat(core::TimePoint now);
  Actions end(Ending ending, Status why);
  std::string say_silent(const Status& failed, core::Duration silence, core::Duration left,
                         core::TimePoint now);

  const std::string driver_;
  const core::Duration join_timeout_;
  const uint64_t seed_;
  State state_ = State::kIdle;
  std::optional<RetryMachine> joining_;
  bool joins_ = false;  // a call to join is under way
  HeartbeatTimes times_;
  bool asked_ = false;  // a heartbeat is under way
  core::TimePoint asked_at_{};
  core::TimePoint last_answer_{};
  Suspension suspension_;
  core::TimePoint last_said_{};
  Status why_;  // this leaves
};

}  // namespace sluice::client
