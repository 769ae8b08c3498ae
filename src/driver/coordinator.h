// What the driver decides: who is a member, who trains which partition, when the job is over.
//
// Plain single-threaded code: every call is an event with the time it happened at, every effect is
// in the answer or in notices(). Threads, calls and processes are the shell's (driver.h).
//
//   waiting for servers --all have joined--> training --all partitions finished--> done
//            \------------------------------------+---- a failure ----> aborted (with the reason)
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "wire/control.h"

namespace sluice::driver {

struct CoordinatorOptions {
  uint64_t job = 0;
  int servers = 1;
  std::vector<int64_t> partition_records;
  std::string job_spec;                                     // handed to whoever joins
  core::Duration lease_timeout = std::chrono::seconds(10);  // without a heartbeat
  core::Duration idle_timeout = std::chrono::seconds(300);  // without any server or worker
};

enum class Phase { kWaitingForServers, kTraining, kDone, kAborted };

struct Member {
  int64_t id = 0;
  wire::Role role = wire::Role::kWorker;
  int index = 0;
  int slot = 0;  // among the living of its role on its host
  std::string host;
  int64_t pid = 0;
  std::string address;
  uint64_t attempt = 0;  // of its join
  core::TimePoint last_heard;
  bool alive = true;
  std::string fate;        // how it ended: "left", "killed by signal 9", ...
  int64_t partition = -1;  // the lease it holds
  int64_t step = 0;        // steps trained of it
  std::string waiting_for;
  int64_t peak_memory_bytes = 0;
  int leases = 0;  // granted so far

  std::string name() const;  // "worker 2 (pid 4711 on hosta)"
};

class Coordinator {
 public:
  Coordinator(CoordinatorOptions options, core::TimePoint now);

  Result<wire::JoinReply> join(const wire::JoinRequest& request, core::TimePoint now);

  // kGranted: the caller must fence the partition at every server with the lease's incarnation and
  // then call granted() or not_granted(); until then nobody else gets the partition.
  Result<wire::AcquireReply> acquire(int64_t member, core::TimePoint now);
  void granted(int64_t partition, int64_t incarnation, core::TimePoint now);
  void not_granted(int64_t partition, int64_t incarnation);

  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request,
                                         core::TimePoint now);
  Status finish(const wire::FinishRequest& request, core::TimePoint now);
  Status leave(const wire::LeaveRequest& request, core::TimePoint now);
  // The launcher saw a process of its own end, on this host. `fate`: "killed by signal 9".
  void process_ended(const std::string& host, int64_t pid, const std::string& fate);
  // The driver itself stood still for so long, as when it was suspended: nobody could be heard, and
  // nobody's time runs out for it.
  void excuse(core::Duration gap, core::TimePoint now);
  // Expires leases and members; call it some ten times a second.
  void tick(core::TimePoint now);
  // No effect on a job that is done.
  void abort(const std::string& reason);
  // All is trained, but the result cannot be had.
  void fail(const std::string& reason);

  Phase phase() const { return phase_; }
  const std::string& abort_reason() const { return abort_reason_; }
  // Every server has joined and parameters may be sent to them; training starts when the shell says
  // so.
  bool servers_ready() const;
  void start_training(wire::ShardMap shard_map, core::TimePoint now);
  std::vector<std::string> server_addresses() const;  // by index

  const std::map<int64_t, Member>& members() const { return members_; }
  int live(wire::Role role) const;
  int64_t finished_partitions() const;
  // For whom the job as a whole waits, or empty: "1 of 2 servers to join", "a worker to join".
  std::string waiting_for() const;
  // Lines for the log since the last call.
  std::vector<std::string> take_notices();

 private:
  struct Partition {
    int64_t records = 0;
    int64_t incarnation = 0;
    int64_t holder = -1;  // member, also while the lease is being fenced
    bool finished = false;
  };

  Member* find_live(int64_t id);
  Member* find_attempt(uint64_t attempt);
  int free_index(wire::Role role, int preferred) const;
  int free_slot(wire::Role role, const std::string& host) const;
  wire::JoinReply welcome(const Member& member) const;
  wire::AcquireReply grant(Member& member);
  std::string end_membership(Member& member, const std::string& fate);
  void lose(Member& member, const std::string& fate);
  void requeue(Member& member);
  void notice(std::string text) { notices_.push_back(std::move(text)); }

  const CoordinatorOptions options_;
  Phase phase_ = Phase::kWaitingForServers;
  std::string abort_reason_;
  wire::ShardMap shard_map_;
  std::map<int64_t, Member> members_;  // by id, dead ones too
  int64_t next_member_;
  std::vector<Partition> partitions_;
  std::deque<int64_t> queue_;  // partitions that nobody holds
  core::TimePoint last_with_workers_;
  std::vector<std::string> notices_;
};

}  // namespace sluice::driver
