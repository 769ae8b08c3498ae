// What the driver decides: who is a member, who trains what, when the job is over.
//
// Plain single-threaded code: every call is an event with the time it happened at, every effect is
// in the answer, in take_events() or in take_news(). Driver has the threads and the calls.
//
//   waiting for servers --all have joined--> training --all pushes are made--> done
//            \------------------------------------+---- a failure ----> aborted (with the reason)
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.h"
#include "driver/job_event.h"
#include "driver/lease_table.h"
#include "driver/member.h"
#include "driver/placement.h"
#include "driver/push_plan.h"
#include "wire/control.h"

namespace sluice::driver {

struct JobStatus;

struct CoordinatorOptions {
  uint64_t job = 0;
  int servers = 1;
  int workers = 0;  // that will come, 0: not known
  int64_t max_staleness = -1;  // as wire::Gate's
  // Fewer: no lease is granted. More than `max_workers` are refused; 0: nobody is.
  int min_workers = 1, max_workers = 0;
  int most_workers = 0;  // that the algorithm takes; 0: any number
  bool divides = true;   // a partition may be trained by several; else each lease is all of it
  std::vector<int64_t> partition_records;
  std::shared_ptr<const PushPlan> plan;  // null: each partition is one push
  std::string job_spec;  // handed to whoever joins
  // A worker without a heartbeat for this long has lost its lease and its membership.
  core::Duration lease_timeout = std::chrono::seconds(10);
  // A server likewise; its parameters go with it, so it gets more time.
  core::Duration server_timeout = std::chrono::seconds(30);
  // A worker that holds a lease, waits for nobody and gets nothing done: named after the first,
  // given up after the second.
  core::Duration name_stalled_after = std::chrono::seconds(10);
  core::Duration stall_timeout = std::chrono::seconds(120);
  core::Duration idle_timeout = std::chrono::seconds(300);  // without any server or worker
  // How long the first leases wait for all `workers` to be there: only then it is known with how
  // many of them each shares its cores.
  core::Duration gather{};
};

enum class Phase { kWaitingForServers, kTraining, kDone, kAborted };

class Coordinator {
 public:
  Coordinator(CoordinatorOptions options, core::TimePoint now);

  Result<wire::JoinReply> join(const wire::JoinRequest& request, core::TimePoint now);

  // kGranted: the caller must fence the lease's pushes at every server with its incarnation and
  // then call granted() or not_granted(); until then nobody else gets them.
  Result<wire::AcquireReply> acquire(const wire::AcquireRequest& request, core::TimePoint now);
  // With what the servers say of its first push. Whether there is something to train: its holder
  // may have been given up meanwhile, or every push of it had been made.
  bool granted(const wire::Lease& lease, core::TimePoint now);
  // Whether somebody has it, granted or not.
  bool holds(const wire::Lease& lease) { return holder_of(lease) != nullptr; }
  // The job is being stopped: leases of nobody, of all that somebody has held who is gone.
  std::vector<wire::Lease> leases_left();
  // Whether this is a worker without a lease.
  bool wants_lease(int64_t member) const;
  // A server could not be asked, as `why` says. When that has been so for the server timeout, the
  // job ends.
  void not_granted(const wire::Lease& lease, const std::string& why, core::TimePoint now);

  // What to answer at once; kContinue: there is no news, and the answer may be kept back.
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request,
                                         core::TimePoint now);
  // A server has held answers to these workers for so long: their pace is not their own.
  void answers_held(const std::vector<wire::LedgerReply::Trainee>& trainees, core::TimePoint now);
  Status finish(const wire::FinishRequest& request, core::TimePoint now);
  Status leave(const wire::LeaveRequest& request, core::TimePoint now);
  // The launcher saw a process of its own end, on this host. `fate`: "was killed by signal 9".
  void process_ended(const std::string& host, int64_t pid, const std::string& fate,
                     core::TimePoint now);
  // Expires leases and members. To be called at next_event(). Called earlier, it does nothing;
  // called much later, it takes the driver for suspended, and no timeout counts that time.
  void tick(core::TimePoint now);
  // When tick() is to be called, at the latest. Events before that may put it off.
  core::TimePoint next_event() const;
  // INVALID_ARGUMENT: fewer than min_workers, or more than max_workers or the algorithm takes.
  // FAILED_PRECONDITION: the job is ending.
  Status may_have(int64_t workers) const;
  // So many workers are wanted from now on; whoever starts workers hears of it as an event. Errors:
  // those of may_have().
  Status scale(int64_t workers, core::TimePoint now);
  int workers_wanted() const { return workers_wanted_; }
  // So many there will be, says whoever starts them: nobody else is waited for.
  void set_workers_wanted(int workers, core::TimePoint now);
  // The job is about to be stopped: workers are told to end what they push and to leave, and no
  // partition is given to anybody any more.
  void drain(const std::string& reason, core::TimePoint now);
  // No effect on a job that is over.
  void abort(const std::string& reason, core::TimePoint now);
  // All is trained, but the result cannot be had.
  void fail(const std::string& reason, core::TimePoint now);
  // The result is had: members may leave.
  void close();

  Phase phase() const { return phase_; }
  bool over() const { return phase_ == Phase::kDone || phase_ == Phase::kAborted; }
  const std::string& abort_reason() const { return abort_reason_; }
  // Every server has joined and parameters may be sent to them; training starts when the shell says
  // so.
  bool servers_ready() const;
  void start_training(wire::ShardMap shard_map, core::TimePoint now);

  // So many servers are wanted from now on: those that are missing may join, and whoever starts
  // servers hears of it as an event. FAILED_PRECONDITION: the job is ending, or a server that has
  // no shards any more is still there.
  Status scale_servers(int servers, core::TimePoint now);
  int servers_wanted() const { return servers_wanted_; }
  // Not after all: those that have joined since are told to leave. Nothing where none are missing.
  void keep_servers(const std::string& why, core::TimePoint now);
  // All that are wanted are there.
  bool wanted_servers_ready() const { return has_servers(servers_wanted_); }
  // Shards are about to go to other servers, or no more: meanwhile no lease is granted.
  void set_moving(bool moving, core::TimePoint now);
  // For whom everything stands still meanwhile; empty: nobody.
  void move_waits_for(const std::string& whom, core::TimePoint now);
  // So many servers have shards from now on, or are about to: none of them may go any more.
  void move_decided(int servers) { needed_ = std::max(needed_, servers); }
  // The parameters are there now: on as many servers as are wanted. Others are told to leave.
  void moved(wire::ShardMap shard_map, int64_t revision, core::TimePoint now);
  // Where they are reached by this server, which is there.
  std::vector<std::string> server_addresses_for(int server) const;
  // Where a server is reached: as it said, and where its call came from. The first is the better.
  std::vector<std::string> possible_addresses(int server) const;
  // The one that works, which workers are told from now on; `why` the others do not.
  void server_found(int server, const std::string& address, const std::string& why,
                    core::TimePoint now);

  // What people have changed, for every worker that is there or joins later. Nobody is given up for
  // what it did not do while the job was paused.
  void set_knobs(const wire::Knobs& knobs, core::TimePoint now);
  const wire::Knobs& knobs() const { return knobs_; }
  // Where members that are missing are to be sent.
  void listens_at(const std::string& address) { address_ = address; }
  // "start it with: sluice server --driver hosta:7070"; empty: that is not known.
  std::string how_to_start(const std::string& roles) const;
  // Phase, members, leases and for whom the job waits.
  void add_status(JobStatus& status, core::TimePoint now) const;

  const Members& members() const { return members_; }
  const LeaseTable& leases() const { return leases_; }
  int live(wire::Role role) const { return live_[static_cast<size_t>(role)]; }
  // Whether an acquire() that was answered with kWait would get another answer now.
  bool has_work() const {
    return over() || !draining_.empty() ||
           (phase_ == Phase::kTraining && !moving_ && !gathering_ && !knobs_.paused &&
            !too_few_workers() && leases_.any_free());
  }

  // Who trains at the moment, as servers are to know it. A grant's fence tells them of its member.
  const wire::Gate& gate() const { return gate_; }
  // The same for a server that has heard of this generation (0: of none): who has come since,
  // unless somebody has gone. So a grant's fence is no larger the more workers there are.
  wire::Gate gate_since(int64_t heard) const;

  std::vector<JobEvent> take_events();
  // Members for whom a heartbeat that was kept back has something to say now: all of them when the
  // job is over.
  std::set<int64_t> take_news();

 private:
  // A member that is silent for longer is named. A heartbeat comes every second.
  static constexpr core::Duration kSilent = std::chrono::seconds(3);

  // coordinator.cc: the phases of the job, and the next timeout.
  void excuse(core::TimePoint now);
  bool too_few_workers() const {
    return options_.min_workers > 1 && live(wire::Role::kWorker) < options_.min_workers;
  }
  bool is_idle() const;
  core::TimePoint idle_until() const;
  void plan(core::TimePoint now);
  core::TimePoint next_event_of(const Member& member, core::TimePoint now) const;
  void happened(decltype(JobEvent::what) what, core::TimePoint now);

  // coordinator_members.cc: who is a member.
  Member* hear(uint64_t job, int64_t id, core::TimePoint now);
  Member* find_live(int64_t id);
  Member* find_attempt(uint64_t attempt);
  std::vector<Member*> find_process(const std::string& host, int64_t pid);
  Result<wire::JoinReply> refuse(const wire::JoinRequest& request, Status why, core::TimePoint now);
  Status too_many_servers(core::TimePoint now) const;
  Status too_many_workers() const;
  void doubt_predecessors(const wire::JoinRequest& request, core::TimePoint now);
  wire::JoinReply welcome(const Member& member) const;
  bool has_servers(int count) const;
  // Whether it has shards, or is to have some.
  bool is_needed(int server) const { return server < std::max(needed_, servers_wanted_); }
  // Of the servers that have shards, as they are reached by this member.
  std::vector<std::string> addresses_for(const Member& member) const;
  wire::Placement placement_for(const Member& member) const;
  Member* find_server(int index);
  const Member* find_server(int index) const;

  // coordinator_ends.cc: how a membership ends.
  core::Duration timeout_of(const Member& member) const;
  void expire(Member& member, core::TimePoint now);
  void forget(const Member& member);
  void end_membership(Member& member, MemberEnded::How how, const std::string& fate,
                      core::TimePoint now);

  // coordinator_leases.cc: leases granted, renewed, finished.
  wire::AcquireReply grant(Member& member, const LeaseTable::Interval& interval,
                           core::TimePoint now);
  Member* holder_of(const wire::Lease& lease);
  void trained(Member& member, int64_t last, core::TimePoint now);
  void epochs_ended(int from, core::TimePoint now);
  void requeue(Member& member);
  // `clock`: as wire::Gate::Trainee's.
  void begin_training(Member& member, int64_t clock);
  void end_training(Member& member);
  void gate_changed();
  wire::HeartbeatReply answer(const Member& member, const wire::HeartbeatRequest& request) const;

  // coordinator_shares.cc: who gets which pushes.
  struct Cut {
    Member* holder;
    LeaseTable::Interval back;
  };
  // What a pass over all members tells. There is one after as many events as a sixteenth of them:
  // of few it is always of the moment, and with many nothing that happens to one takes a look at
  // all.
  struct Overview {
    double mean_speed = 0;  // of the workers whose speed is known; 0: of none
    // Steps of the leases in force that are trained, by the epoch that they begin in.
    std::map<int, double> trained;
    struct End {
      double in_s;  // the lease is done, at its holder's speed
      int64_t holder;
      LeaseTable::Key lease;
    };
    std::map<int, std::vector<End>> ends;  // likewise; the last behind the others
    std::map<int64_t, int> had;            // workers, by the partition that they had
  };
  const Overview& overview(core::TimePoint now);
  std::optional<LeaseTable::Interval> choose(Member& member, core::TimePoint now);
  LeaseTable::Interval share_of(const Member& member, core::TimePoint now);
  LeaseTable::Interval next_free(const Member& member, core::TimePoint now);
  std::vector<Overview::End>* ends_last(int before_epoch, core::TimePoint now);
  std::optional<Cut> worth_taking(const Member& member, int before_epoch, core::TimePoint now);
  std::optional<Cut> divided(Member& holder, double taker_speed, core::TimePoint now) const;
  double speed_of(const Member& member, core::TimePoint now);
  double steps_left(int epoch, core::TimePoint now);
  void name_stragglers(int epoch, core::TimePoint now);

  // coordinator_waits.cc: for whom the job waits.
  WaitsFor waits_for(core::TimePoint now) const;
  WaitsFor missing_members() const;
  WaitsFor missing_servers() const;
  WaitsFor members_waited_for() const;
  core::TimePoint given_up_at(const Member& member) const;
  std::string name_of(const Member& member) const;
  std::string whom_idle_workers_wait_for() const;
  core::TimePoint silent_at(const Member& member) const;
  bool may_stall(const Member& member) const;
  core::TimePoint stalled_at(const Member& member) const;
  std::string standstill(const Member& member, core::Duration time) const;
  std::string why_named(const Member& member, core::TimePoint now) const;
  bool look_at(Member& member, core::TimePoint now);
  void happened_to(Member& member, core::TimePoint now);
  void say_waits(core::TimePoint now);

  // coordinator_status.cc: what is told to those who ask.
  std::string phase_text() const;
  std::string state_of(const Member& member, core::TimePoint now) const;
  void add_lease(JobStatus& status, const Member& member, core::TimePoint now) const;

  const CoordinatorOptions options_;
  int workers_wanted_;  // 0: not known
  int needed_;          // servers that have shards, or are to have the first
  int servers_wanted_;
  bool moving_ = false;
  std::string move_waits_for_;
  int64_t revision_ = 0;  // of the shard map
  Phase phase_ = Phase::kWaitingForServers;
  bool closed_ = false;
  bool gathering_ = false;  // the first leases wait for more workers, until gather_until_
  core::TimePoint gather_until_{};
  wire::Gate gate_;
  // Those who came since somebody went last, or a knob was changed: one with each generation.
  std::vector<wire::Gate::Trainee> came_;
  bool anybody_granted_ = false;
  std::string draining_;  // why the workers leave; empty: they do not
  std::string abort_reason_;
  wire::ShardMap shard_map_;
  Members members_;
  int64_t next_member_;
  std::array<int, 2> live_{};  // members, by role
  // Of the living.
  Placement placement_;
  std::map<uint64_t, int64_t> attempts_;
  std::multimap<std::pair<std::string, int64_t>, int64_t> processes_;  // by host and pid
  std::map<int, int64_t> servers_;                                     // by index
  std::set<int64_t> named_;  // for whom the job waits: see Member::named_because
  Overview overview_;
  int64_t events_ = 0, overview_at_ = -1;  // that there have been, and when that was made
  const std::shared_ptr<const PushPlan> plan_;
  LeaseTable leases_;
  core::TimePoint epoch_began_{};  // the one that is trained now, when the last one ended
  bool anybody_trained_ = false;
  core::TimePoint idle_since_;  // when idle
  struct Ungranted {
    std::string because;  // empty: leases can be granted
    core::TimePoint since, last;
  } ungranted_;
  const core::Duration pulse_;
  core::TimePoint last_event_;
  core::TimePoint due_;  // no time runs out before
  std::string said_;     // whom the last WaitsFor named
  core::TimePoint said_since_;
  wire::Knobs knobs_;
  core::TimePoint paused_since_{};
  std::string address_;  // the driver's, where others reach it; empty: not known
  std::vector<JobEvent> told_;  // until take_events()
  std::set<int64_t> news_;
};

}  // namespace sluice::driver
