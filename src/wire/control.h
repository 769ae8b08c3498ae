// The control plane as plain C++: what servers and workers say to the driver, and the two
// interfaces that a transport joins. proto/control.proto is its wire form. Members call, the driver
// answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/cores.h"
#include "core/reply.h"
#include "core/world.h"
#include "sluice/status.h"
#include "wire/parameters.h"
#include "wire/shard_map.h"
#include "wire/traffic.h"

namespace sluice::wire {

enum class Role { kServer, kWorker };

struct JoinRequest {
  Role role = Role::kWorker;
  std::string version;  // of the program; the driver refuses another one
  core::ProcessFacts process;
  std::string address{};         // servers: where the data plane listens
  bool address_guessed = false;  // from the host's name: others may not know it
  int preferred_index = -1;      // the index this process was started as; -1: any
  // Random, the same when the request is repeated because its answer was lost; 0: never repeated.
  uint64_t attempt = 0;
  std::vector<core::CorePool> cores{};  // workers: all that its threads take from
  std::vector<std::string> gpus{};      // workers: UUIDs of those it sees; none: not known

  // Not sent, but seen by the driver's transport: the caller's host and the driver's own, as
  // numeric addresses of the connection. Empty where there are none.
  std::string came_from{};
  std::string came_to{};
};

struct JoinReply {
  uint64_t job = 0;      // named in all later calls
  int64_t member = 0;    // names the process in all later calls; never used twice
  int index = 0;         // "worker 2": the lowest free number, used again after a death
  std::string job_spec;  // JSON, the job as the driver runs it; see wire/training_spec.h
  // Workers: the lowest number that no other living worker of the same machine has. Spreads the
  // workers of a machine over its GPUs.
  int slot = 0;
  std::string gpu{};  // workers: of their `gpus` the one that the fewest hold; empty: none named
};

// The right to train an interval of the pushes of one partition, until the last of them is made,
// the driver gives the end of the interval to somebody else, or the lease expires for want of
// heartbeats.
struct Lease {
  int64_t partition = 0;
  int64_t incarnation = 0;    // counts the leases of the partition
  int64_t next_sequence = 1;  // the first push that this lease owes
  int64_t records = 0;        // in the partition
  int64_t last = 0;           // the last push that it owes
};

struct AcquireReply {
  enum class Kind {
    kGranted,
    kWait,   // ask again after retry_after; `reason` says for whom
    kDone,   // nothing is left to train: leave
    kAbort,  // the job has failed or was cancelled: leave; `reason` says why
  } kind = Kind::kWait;
  Lease lease;
  core::Duration retry_after{};
  std::string reason;
  Placement parameters{};              // with kGranted
  int threads = 0;                     // the member's share of its cores; 0: it chooses itself
};

// Every later call of a member names the job, so that a driver refuses members of another one.
struct AcquireRequest {
  uint64_t job = 0;
  int64_t member = 0;
};

// What people may change while a job runs, as it is now; see driver/knobs.h.
struct Knobs {
  int64_t revision = 0;                  // grows with every change
  bool paused = false;                   // no worker begins another window
  std::optional<float> learning_rate{};  // instead of the optimizer's
  int64_t max_staleness = -1;            // as Gate's, by which servers hold answers

  friend bool operator==(const Knobs&, const Knobs&) = default;
};

// What a worker waits for that begins no window because the job is paused.
inline constexpr const char* kToBeResumed = "the job to be resumed";

struct HeartbeatRequest {
  uint64_t job = 0;
  int64_t member = 0;
  int64_t partition = -1;  // the lease it holds; -1: none
  int64_t incarnation = 0;
  int64_t last = 0;      // the push that this lease ends with, as far as the member knows
  int64_t step = 0;      // steps trained of that partition, pushed or not
  int64_t activity = 0;  // grows with everything that the member gets done
  // Empty, or what the member waits for ("server 0 at ...", "open files ..."), to be shown.
  std::string waiting_for;
  int64_t peak_memory_bytes = 0;
  // How long the driver may keep the answer back for want of news.
  core::Duration hold{};
  int64_t knobs = 0;  // the revision of those that the member has in force
  int64_t parameters = 0;  // workers: the revision of the Placement that it knows; -1: of none
  std::vector<Traffic> traffic{};  // workers: by server
};

struct HeartbeatReply {
  enum class Kind {
    kContinue,
    kLeaseLost,  // the lease that the request named is another's now
    kDone,       // the job has come to its end: leave
    kAbort,      // it has failed or was cancelled: leave; `reason` says why
    kDrain,      // it is about to be stopped: end the push that is under way, then leave (workers)
  } kind = Kind::kContinue;
  std::string reason;
  // With kContinue: the push that the lease ends with by now, earlier than it did when the rest was
  // given to another worker; 0: no news.
  int64_t last = 0;
  std::optional<Knobs> knobs{};  // news, for workers: another revision than the member's
  std::optional<Placement> parameters{};  // likewise
};

struct FinishRequest {
  uint64_t job = 0;
  int64_t member = 0;
  int64_t partition = 0;
  int64_t incarnation = 0;
  std::vector<Traffic> traffic{};  // as with heartbeats
};

struct LeaveRequest {
  uint64_t job = 0;
  int64_t member = 0;
  // OK: ended as it should. Otherwise what made it give up; the driver reports it.
  Status status;
  // With CANCELLED: it was asked to make room, and its last push is acknowledged. What is left of
  // its lease is for others, and whoever started it need not replace it.
  bool drained = false;
};

struct FetchRequest {
  uint64_t job = 0;
  int64_t partition = 0;
  int64_t first = 0;  // index in the partition of the first record wanted
};

// A run of a partition's records, as the dataset stores them.
struct RecordChunk {
  int64_t first = 0;  // index in the partition
  std::vector<std::byte> features;
  // The records' targets: a label each, or the numbers of one after another.
  std::vector<int32_t> labels{};
  std::vector<float> values{};
  // One each where the records have weights of their own.
  std::vector<float> weights{};
};

// What anybody may ask who reaches the driver, a member or not.
struct StatusRequest {};
struct StatusReply {
  std::string json;  // driver/job_status.h
};
struct CommandRequest {
  std::string verb;                    // "set"; see driver/driver_commands.cc
  std::vector<std::string> arguments;  // "learning-rate", "0.001"
  core::ProcessFacts process{};        // whoever asks, for people: host and pid
};
struct CommandReply {
  std::string said;  // one line: what has changed
};

// The driver as its transport sees it. Calls come from several threads at once; none blocks. Each
// is answered exactly once, now or later, from any thread. NOT_FOUND: a member or partition that
// the driver does not know (it has been declared dead, or is another job's).
class ControlService {
 public:
  virtual ~ControlService() = default;
  virtual void join(const JoinRequest& request, core::Reply<Result<JoinReply>> reply) = 0;
  virtual void acquire(const AcquireRequest& request, core::Reply<Result<AcquireReply>> reply) = 0;
  // Answered as soon as there is news for the member, at the latest after `hold`.
  virtual void heartbeat(const HeartbeatRequest& request,
                         core::Reply<Result<HeartbeatReply>> reply) = 0;
  // Idempotent. FAILED_PRECONDITION: the lease was lost before.
  virtual void finish(const FinishRequest& request, core::Reply<Status> reply) = 0;
  virtual void leave(const LeaveRequest& request, core::Reply<Status> reply) = 0;
  // The next records of a partition, some MiB; none: `first` is its end.
  virtual void fetch(const FetchRequest& request, core::Reply<Result<RecordChunk>> reply) = 0;
  // Only drivers of people's jobs have these two.
  virtual void status(const StatusRequest& /*request*/, core::Reply<Result<StatusReply>> reply) {
    reply(Status(StatusCode::kUnimplemented, "this driver tells no status"));
  }
  // Idempotent. INVALID_ARGUMENT, FAILED_PRECONDITION: one line, why nothing has changed.
  virtual void command(const CommandRequest& /*request*/, core::Reply<Result<CommandReply>> reply) {
    reply(Status(StatusCode::kUnimplemented, "this driver takes no commands"));
  }
};

// The driver as seen from a member's process. Thread-safe. Calls return at once; each is answered
// exactly once within its timeout, on any thread, which must not be blocked, perhaps before the
// call has returned. UNAVAILABLE names the driver's address. Destroying the channel cuts off what
// is under way: it has been answered when the destructor returns, except on the answering thread.
class ControlChannel {
 public:
  virtual ~ControlChannel() = default;
  virtual void join(const JoinRequest& request, const CallOptions& options,
                    core::Reply<Result<JoinReply>> reply) = 0;
  virtual void acquire(const AcquireRequest& request, const CallOptions& options,
                       core::Reply<Result<AcquireReply>> reply) = 0;
  virtual void heartbeat(const HeartbeatRequest& request, const CallOptions& options,
                         core::Reply<Result<HeartbeatReply>> reply) = 0;
  virtual void finish(const FinishRequest& request, const CallOptions& options,
                      core::Reply<Status> reply) = 0;
  virtual void leave(const LeaveRequest& request, const CallOptions& options,
                     core::Reply<Status> reply) = 0;
  virtual void fetch(const FetchRequest& request, const CallOptions& options,
                     core::Reply<Result<RecordChunk>> reply) = 0;
  // Only channels over a network, to a driver of another process, have these two.
  virtual void status(const StatusRequest& /*request*/, const CallOptions& /*options*/,
                      core::Reply<Result<StatusReply>> reply) {
    reply(Status(StatusCode::kUnimplemented, "this channel asks for no status"));
  }
  virtual void command(const CommandRequest& /*request*/, const CallOptions& /*options*/,
                       core::Reply<Result<CommandReply>> reply) {
    reply(Status(StatusCode::kUnimplemented, "this channel takes no commands"));
  }
  virtual const std::string& address() const = 0;
};

}  // namespace sluice::wire
