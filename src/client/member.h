// A process's membership in a job: carries out what MembershipMachine decides.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "client/membership_machine.h"
#include "client/traffic_meter.h"
#include "core/world.h"
#include "wire/training_spec.h"
#include "wire/transport.h"

namespace sluice::client {

// How a role has ended, and why.
struct MemberEnd {
  Ending how = Ending::kFailed;
  Status why;
};

// A request to a role to end its membership.
struct StopRequest {
  std::stop_token token;
  // Why, once it is requested: "stopped by SIGTERM". The driver is told, and tells its people.
  std::function<std::string()> reason;
  // Whether the job goes on without this process; empty: not known.
  std::function<bool()> drains{};
};

// What a membership tells its owner, on its strand.
struct MemberEvents {
  // Joined, for the first time or again.
  std::function<void(const wire::JoinReply&, const wire::TrainingSpec&)> on_joined;
  // The driver does not know this member any more, which joins again. Its lease may be another's.
  std::function<void()> on_lost;
  // The same, before the driver can have heard of the member again, and call it. Must leave the
  // member alone.
  std::function<void()> before_rejoin{};
  std::function<void()> on_lease_lost;
  // The lease that is held ends with this push now, earlier than before.
  std::function<void(int64_t last)> on_lease_cut{};
  // The job is about to be stopped, for this reason: leave() once the push under way has ended. May
  // come again. Only workers are told.
  std::function<void(const std::string&)> on_drain{};
  // People have changed something; before any other event of the same answer. Only workers are
  // told.
  std::function<void(const wire::Knobs&)> on_knobs{};
  // The parameters are elsewhere than any lease has said so far. Likewise.
  std::function<void(const wire::Placement&)> on_moved{};
  // The last event: OK, the job is over, or leave() said so; CANCELLED, it was aborted; or why this
  // process could not be a member. The owner may destroy the Member in it.
  std::function<void(Status)> on_end;
};

// Used on its strand, except where a comment says otherwise. No event comes after it is destroyed.
class Member {
 public:
  // `request`: the facts of the process and the attempt are filled in by the Member.
  Member(core::World& world, std::shared_ptr<core::Strand> strand,
         std::shared_ptr<wire::ControlChannel> driver, wire::JoinRequest request,
         core::Duration join_timeout, MemberEvents events);

  void start();
  // Tells the driver and ends with this status, at the latest after `goodbye`.
  void leave(Status why, core::Duration goodbye = std::chrono::seconds(1));
  // Likewise; this process was asked to make room, and what it trained is pushed.
  void leave_drained(Status why);
  // Another call was answered with `why`: the driver does not know this member, which joins again.
  void rejoin(const Status& why);

  // From now on heartbeats renew this lease; `parameters`: the revision of where they are, as it
  // said.
  void hold(const wire::Lease& lease, int64_t parameters);
  void release();
  // Something was done: a step of the lease trained, records read, a model compiled. A member that
  // holds a lease and gets nothing done is given up. Thread-safe.
  void set_step(int64_t step) {
    step_.store(step, std::memory_order_relaxed);
    got_on();
  }
  void got_on() { activity_.fetch_add(1, std::memory_order_relaxed); }
  void set_waiting_for(std::string whom);  // thread-safe
  // What heartbeats tell of from now on. On its strand.
  void set_traffic(std::shared_ptr<const TrafficMeter> traffic) { traffic_ = std::move(traffic); }

  const wire::JoinReply& joined() const { return joined_; }  // in on_joined and after
  Ending ending() const { return ending_; }                  // in on_end

 private:
  void act(MembershipMachine::Actions actions);
  void end(Ending ending, Status why);
  void send_join(core::Duration timeout);
  void send_heartbeat(core::Duration timeout);
  void send_leave(const Status& why);
  void join_answered(Result<wire::JoinReply> reply);

  core::World& world_;
  const std::shared_ptr<core::Strand> strand_;
  const std::shared_ptr<wire::ControlChannel> driver_;
  wire::JoinRequest request_;
  const MemberEvents events_;
  MembershipMachine machine_;
  wire::JoinReply joined_;
  core::Duration interval_{};
  core::Duration goodbye_ = std::chrono::seconds(1);
  Ending ending_ = Ending::kFailed;
  wire::Lease lease_;
  bool holds_ = false;
  std::shared_ptr<const TrafficMeter> traffic_;  // or null
  bool drained_ = false, told_ = false;  // leave_drained(), and the driver hears of it
  int64_t knobs_ = 0;                    // the revision that on_knobs was told last
  int64_t parameters_ = -1;              // likewise on_moved, or that a lease was granted with
  std::atomic<int64_t> step_{0};
  std::atomic<int64_t> activity_{0};
  std::mutex mutex_;
  std::string waiting_for_;  // guarded by mutex_
  core::Alarm alarm_;
  std::optional<core::Lifetime> lifetime_;  // last: answers that come later are nobody's
};

}  // namespace sluice::client
