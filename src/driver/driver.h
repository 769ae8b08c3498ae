// The driver role: owns a job from the first member's join to the last value pulled.
//
// Carries out what Coordinator and GrantMachine decide: serves the control plane, sends the initial
// parameters to the servers, hands out records, reads the servers' ledgers for progress, and makes
// the job's result. Everything is decided on one strand, which is never busy for long: what takes
// time (calls, records, evaluations) runs beside it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/parameter_client.h"
#include "client/persistent_call.h"
#include "core/aligned_buffer.h"
#include "core/reply.h"
#include "core/world.h"
#include "data/partition.h"
#include "data/records.h"
#include "driver/coordinator.h"
#include "driver/gain_watch.h"
#include "driver/grant_machine.h"
#include "driver/held_calls.h"
#include "driver/job_event.h"
#include "driver/job_result.h"
#include "driver/rate_meter.h"
#include "driver/record_server.h"
#include "driver/shard_move.h"
#include "wire/training_spec.h"
#include "wire/transport.h"

namespace sluice::driver {

struct DriverOptions {
  wire::TrainingSpec training;  // records, partitions and dataset included
  std::string update_rule;      // JSON, for the servers
  // By partition: how many pushes its training takes. At the end every shard must have had each.
  std::vector<int64_t> pushes;
  int servers = 1;
  int workers = 0;  // that will come, 0: not known
  int min_workers = 1, max_workers = 0;  // see CoordinatorOptions
  bool starts_members = false;  // somebody follows the events WorkersWanted and ServersWanted
  int shards = 0;   // 0: by size
  core::Duration lease_timeout = std::chrono::seconds(10);
  core::Duration stall_timeout = std::chrono::seconds(120);
  core::Duration idle_timeout = std::chrono::seconds(300);
  // Whether a job that is stopped while it trains ends with the parameters as they are by then.
  bool keep_when_stopped = false;
  core::Duration gather{};  // see CoordinatorOptions
  int64_t max_staleness = -1;  // as wire::Gate's
  std::string dataset{}, model{};  // by name, for people
};

// How long a job that is stopped may take until its parameters are read: by a signal, after which
// whoever sent it may kill (Docker after 10 s), and by a command.
inline constexpr core::Duration kKeeping = std::chrono::seconds(5);
inline constexpr core::Duration kKeepingPatiently = std::chrono::seconds(60);

// How so many servers have the job's parameters. Throws as ShardMap::even() and in_parts().
wire::ShardMap shard_map_of(const DriverOptions& options, size_t parameters, int servers);

class Driver final : public wire::ControlService {
 public:
  // `records`: the training set. `parameters`: the initial values. Throws std::invalid_argument for
  // options that make no sense together. The observer, the world and the transport outlive it.
  Driver(core::World& world, wire::Transport& transport, DriverOptions options,
         std::shared_ptr<const data::Records> records, std::span<const float> parameters,
         JobObserver& observer);
  // Nobody may call it any more: the listener is gone. Not on its strand.
  ~Driver() override;

  // Runs the job, once; `done` is called on the driver's strand when the members have left. The
  // control service must be listening by then. Members are told to end in every case.
  void start(core::UniqueFunction<void(Result<JobResult>)> done);

  // All thread-safe.
  // Ends the job with CANCELLED, or with a result that says so (JobResult::stopped); members are
  // told the reason.
  void stop(const std::string& reason);
  void abort(const std::string& reason);
  // A process that the caller had started has ended; see Coordinator.
  void process_ended(int64_t pid, const std::string& fate);
  // So many workers the caller keeps running; see Coordinator.
  void workers_wanted(int workers);
  // A server that ServersWanted had asked for could not be started, or has ended before it joined.
  void server_missing(const std::string& why);
  // Where members that are missing are to be sent, for people: "hosta:7070".
  void listens_at(const std::string& address);
  // Reads the parameters as they are now, while the job trains.
  void pull(std::span<float> into, core::Reply<Status> reply);

  // Only on the strand's own thread, as in the simulator.
  const Members& members() const { return coordinator_.members(); }

  void join(const wire::JoinRequest& request, core::Reply<Result<wire::JoinReply>> reply) override;
  void acquire(const wire::AcquireRequest& request,
               core::Reply<Result<wire::AcquireReply>> reply) override;
  void heartbeat(const wire::HeartbeatRequest& request,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override;
  void finish(const wire::FinishRequest& request, core::Reply<Status> reply) override;
  void leave(const wire::LeaveRequest& request, core::Reply<Status> reply) override;
  void fetch(const wire::FetchRequest& request,
             core::Reply<Result<wire::RecordChunk>> reply) override;
  void status(const wire::StatusRequest& request,
              core::Reply<Result<wire::StatusReply>> reply) override;
  void command(const wire::CommandRequest& request,
               core::Reply<Result<wire::CommandReply>> reply) override;

 private:
  enum class Stage { kNotStarted, kJoining, kSettingUp, kTraining, kCollecting, kEnding, kEnded };
  struct Pull {
    enum class What { kValues, kAverages } what;
    std::span<float> into;
    core::Reply<Status> reply;
  };
  struct Leaving {
    wire::LeaveRequest request;
    core::Reply<Status> reply;
  };
  using HeldHeartbeats = HeldCalls<wire::HeartbeatRequest, wire::HeartbeatReply>;
  using HeldAcquires = HeldCalls<wire::AcquireRequest, wire::AcquireReply>;
  struct Grant {
    GrantMachine machine;
    int64_t member = -1;
    wire::AcquireReply answer{};
    core::Reply<Result<wire::AcquireReply>> reply{};
    std::function<void()> settled{};  // instead of a reply: nobody gets the lease
  };

  // control_service.cc: answers to members. On the strand.
  core::Duration within_an_attempt(core::Duration time) const;
  void decide_acquire(HeldAcquires::Call call, bool may_hold);
  void begin_grant(HeldAcquires::Call call, wire::AcquireReply answer);
  void settle(const std::function<void()>& done);
  void fence(int64_t grant, const wire::Lease& lease);
  void commit(int64_t grant, const GrantMachine::Commit& commit);
  void go_on(int64_t grant, const GrantMachine::Next& next);
  void hold(HeldAcquires::Call call, core::TimePoint until);
  void hold(HeldHeartbeats::Call call, core::TimePoint until);
  void answer_held();
  void answer_grants();
  void release_held(core::TimePoint now);
  core::TimePoint next_release() const;

  // driver.cc: the course of the job. On the strand.
  void changed();
  void advance();
  void publish();
  void set_alarm();
  void on_time();
  Status lost_server() const;
  std::vector<std::string> server_addresses() const;
  void pull_in_turn(Pull pull);
  void next_pull();
  void pulled(const Status& status);
  void read_parameters(core::Reply<Status> done);
  void collect();
  void read_final_ledgers();
  void conclude();
  JobResult job_result();
  void end(Result<JobResult> result);
  bool may_end() const;
  void all_left();
  void stop_and_keep(const std::string& reason, core::Duration within);
  bool is_drained() const;
  void keep();
  void end_keeping();
  void stopped();
  bool may_keep() const;
  void answer_leaving();
  void fail(const Status& why);

  // driver_setup.cc: the servers get their shards and values. On the strand.
  void set_up();
  using Created = std::function<void(Result<std::shared_ptr<wire::ParameterChannel>>)>;
  void create(wire::CreateRequest request, Created done);
  void created(int server, std::shared_ptr<wire::ParameterChannel> channel);
  void assign();
  void begin_training(const Status& assigned);

  // driver_servers.cc: shards go to other servers. On the strand.
  int servers() const { return shard_map_.servers(); }
  void look_at_servers();
  void reach_servers();
  void reached(int server, Result<std::shared_ptr<wire::ParameterChannel>> channel);
  void move_shards();
  void shards_moved(const Status& status);
  void end_move();
  void call_off_move(const std::string& why);

  // driver_gate.cc: servers hear who trains. On the strand.
  void tell_gate();
  void heard_gate(int64_t revision, size_t server, int64_t generation);
  void told_gate(int64_t revision, size_t server, int64_t generation, const Status& status);
  void look_at_gain();
  void flush(const std::function<void()>& done);

  // driver_progress.cc: ledgers read and reported. On the strand.
  void poll_ledgers();
  void polled(int64_t poll, size_t server, Result<wire::LedgerReply> reply);
  void report_progress();
  void report_epochs();
  void take_ledger(size_t server, wire::LedgerReply ledger);
  int64_t updates() const;
  double pushed_bytes() const;

  // driver_status.cc: what people ask. On the strand.
  JobStatus job_status() const;
  void add_ledgers(JobStatus& status) const;
  void add_gate(JobStatus& status) const;
  void add_gain(JobStatus& status) const;

  // driver_commands.cc: what people want changed. On the strand.
  Result<std::string> obey(const wire::CommandRequest& request);
  Result<std::string> obey_stop(const std::string& by, bool ends);
  Result<std::string> obey_set(const std::string& name, const std::string& value,
                               const std::string& by);
  Result<std::string> obey_pause(bool paused, const std::string& by);
  Result<std::string> obey_scale(const std::string& what, const std::string& by);
  Result<std::string> scale_workers(int64_t workers, const std::string& by);
  Result<std::string> scale_servers(int64_t servers, const std::string& by);
  void turn(wire::Knobs wanted, JobChanged change);
  void tell(JobChanged change);

  core::World& world_;
  wire::Transport& transport_;
  JobObserver& observer_;
  const DriverOptions options_;
  const uint64_t job_;
  const std::shared_ptr<const data::Records> records_;
  const data::Partitioning partitioning_;
  wire::ShardMap shard_map_;  // the strand's, once the job has begun
  const std::shared_ptr<core::Strand> strand_;
  const core::TimePoint started_;
  RecordServer record_server_;  // destroyed before the strand, to which it reports failures

  // Everything below is the strand's.
  Coordinator coordinator_;
  Stage stage_ = Stage::kNotStarted;
  Status failure_;        // what the job ends with, unless it is OK
  std::string stopping_;  // why the parameters are read before their time
  core::TimePoint drained_by_ = core::TimePoint::max();  // then they are, whoever still pushes
  core::TimePoint stop_by_ = core::TimePoint::max();     // read or not
  bool keeping_ = false;                                 // they are being read, and the ledgers
  bool kept_ = false;                                    // the parameters have been read
  std::vector<Leaving> leaving_;                         // servers that are still needed
  std::shared_ptr<core::AlignedBuffer> parameters_;      // the initial values, then the final ones
  core::AlignedBuffer averages_;                         // the final ones, where some are kept
  HeldHeartbeats heartbeats_;
  HeldAcquires acquires_;
  std::map<int64_t, Grant> grants_;  // by a number of its own
  int64_t last_grant_ = 0;
  struct GateTold {
    int64_t sent = 0, heard = 0;  // generations: the last that was sent, and that it has answered
    bool under_way = false;       // a call that tells it, but for fences
  };
  std::vector<GateTold> gates_told_;  // by server
  int64_t revision_ = 0;              // of the shard map
  // Shards are about to go to other servers: those, as far as they have been reached; how many have
  // not; then the move itself.
  struct Moving {
    int64_t revision = 0;
    wire::ShardMap to;
    ShardMove::Channels servers;
    int to_reach = 0;
    std::unique_ptr<ShardMove> move{};
    std::string called_off{};
  };
  std::optional<Moving> moving_;
  int64_t last_revision_ = 0;                       // that was tried
  std::vector<wire::LedgerReply> retired_ledgers_;  // of servers that have left
  std::vector<std::pair<core::TimePoint, ServersChanged>> moves_;
  int flushes_left_ = 0;
  std::vector<Pull> pulls_;  // waiting; the first is under way
  std::vector<std::shared_ptr<wire::ParameterChannel>> channels_;  // by server
  std::unique_ptr<client::ParameterClient> client_;
  std::vector<std::unique_ptr<client::PersistentCall<Result<size_t>>>> creates_;
  std::vector<std::unique_ptr<client::PersistentCall<Result<wire::LedgerReply>>>> final_ledgers_;
  int calls_left_ = 0;                      // of those two
  std::vector<std::string> not_reached_;    // by server: why not where it said, when it was tried
  std::vector<wire::LedgerReply> ledgers_;  // by server, as last read
  int polls_left_ = 0;
  int64_t poll_ = 0;  // which; an answer to an earlier one is nobody's
  bool poll_complete_ = true;
  core::TimePoint epochs_read_at_{};  // when the ledger that counts epochs was last read
  size_t epochs_reported_ = 0;
  RateMeter<3> rates_{std::chrono::seconds(5)};  // samples, updates, bytes that were pushed
  std::vector<std::pair<core::TimePoint, JobChanged>> changes_;
  std::vector<std::pair<core::TimePoint, GainChanged>> gains_;
  GainWatch gain_watch_;
  core::TimePoint last_epoch_end_{};               // or when the first lease was granted
  std::optional<core::TimePoint> training_since_;  // when the first lease was granted
  core::Duration training_time_{};
  core::TimePoint leave_by_{};  // members that have not left by then are left alone
  std::optional<Result<JobResult>> result_;
  core::UniqueFunction<void(Result<JobResult>)> done_;
  core::Alarm alarm_;  // of the coordinator, what is held, and the end
  core::TimePoint alarm_set_for_{};
  core::Alarm poll_alarm_;  // of the ledgers
  std::optional<core::Lifetime> lifetime_{std::in_place};
};

}  // namespace sluice::driver
