// What a worker decides inside its membership of a job: when it asks for a lease, what it does with
// one, and what becomes of that when the lease or the membership is lost, or a signal comes.
//
//   joined --> preparing --> acquiring --granted--> opening --> training --> finishing --+
//                            ^  |    ^                 |            |                    |
//                            |  +wait+                 +---- lost --+                    |
//                            +-----------------------------------------------------------+
//
// A step that is under way ends with an event, also when it is cancelled: nothing else begins
// before. Calls to the driver are the exception: cancelled, they are silent. Plain decisions: an
// event and the time in, actions out.
#pragma once

#include <optional>
#include <string>

#include "core/clock.h"
#include "sluice/status.h"
#include "wire/control.h"

namespace sluice::worker {

class LeaseMachine {
 public:
  enum class Step {
    kNone,
    kPrepare,  // open the device, compile the model; then prepared()
    kAcquire,  // ask the driver for a lease; then acquired()
    kOpen,     // the data of the lease that was granted; then opened()
    kTrain,    // then trained()
    kFinish,   // tell the driver that the lease is trained; then finished()
  };
  // To be done in this order. Empty members: nothing.
  struct Actions {
    std::string say;                         // a line for the log, as a warning
    std::optional<std::string> waiting_for;  // whom this waits for has changed; empty: nobody
    bool cancel = false;                     // what is under way
    bool drain = false;                      // training ends when its window is pushed
    int64_t cut = 0;                         // not 0: the lease ends with this push
    std::optional<core::TimePoint> wake;     // call time() then
    Step begin = Step::kNone;
    std::optional<Status> unknown;  // a call was answered so: the driver does not know this member
    std::optional<Status> leave;    // end the membership
    bool drained = false;           // and say that this makes room
  };

  // How long a window may take to be finished and pushed once a signal has come.
  static constexpr core::Duration kDrainTime = std::chrono::seconds(1);
  // Likewise when nobody but this worker ends. Container runtimes kill after ten seconds.
  static constexpr core::Duration kHandBackTime = std::chrono::seconds(8);

  Actions joined();
  Actions prepared(const Status& status);
  Actions acquired(const Result<wire::AcquireReply>& reply, core::TimePoint now);
  Actions opened(const Status& status);
  Actions trained(const Status& status);
  Actions finished(const Status& status);

  Actions lease_lost();
  // The lease ends earlier: with push `last`.
  Actions lease_cut(int64_t last);
  Actions membership_lost();
  // The membership has ended for good.
  Actions ended();
  // This process has to end, as "stopped by SIGTERM". The window that is being trained is still
  // finished, if it takes no longer than kDrainTime; then this leaves with CANCELLED.
  Actions stop(const std::string& reason, core::TimePoint now);
  // Likewise, but the job goes on without this worker, which hands back what is left of its lease:
  // there are kHandBackTime for the window.
  Actions drain(const std::string& reason, core::TimePoint now);
  Actions time(core::TimePoint now);

  // What kOpen, kTrain and kFinish are about.
  const wire::AcquireReply& granted() const { return granted_; }

 private:
  enum class State {
    kIdle,  // no member, and nothing is under way
    kPreparing,
    kAcquiring,
    kPaused,
    kOpening,
    kTraining,
    kFinishing,
    kOver,  // this leaves, or has left
  };

  // What follows when nothing is under way.
  Actions next();
  Actions begin(State state, Step step);
  bool step_ended(State step);
  Actions wait(const wire::AcquireReply& reply, core::TimePoint now);
  Actions taken_away(const std::string& how);
  Actions unknown(const Status& why);
  Actions leave(Status why);
  Actions stop_within(core::Duration time, core::TimePoint now);
  void set_waiting_for(const std::string& whom, Actions& actions);
  bool is_calling() const;
  bool is_working() const;

  State state_ = State::kIdle;
  bool member_ = false;
  bool prepared_ = false;          // for this membership
  bool outdated_ = false;          // what is under way is of an earlier membership
  bool lease_lost_ = false;        // the one of the step that is under way
  std::optional<Status> stopped_;  // what this leaves with since stop() or drain()
  bool drains_ = false;            // since drain()
  core::TimePoint pause_end_{}, drain_end_{};
  wire::AcquireReply granted_;
  std::string waiting_for_;  // as was said last
};

}  // namespace sluice::worker
