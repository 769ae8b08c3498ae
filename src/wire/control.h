// The control plane as plain C++: what servers and workers say to the driver, and the two
// interfaces that a transport joins. proto/control.proto is its wire form. Members call, the driver
// answers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "sluice/status.h"
#include "wire/parameters.h"
#include "wire/shard_map.h"

namespace sluice::wire {

enum class Role { kServer, kWorker };

struct JoinRequest {
  Role role = Role::kWorker;
  std::string version;  // of the program; the driver refuses another one
  std::string host;
  int64_t pid = 0;
  std::string address;       // servers: where the data plane listens
  int preferred_index = -1;  // the index this process was started as; -1: any
  // Random, the same when the request is repeated because its answer was lost; 0: never repeated.
  uint64_t attempt = 0;
};

struct JoinReply {
  int64_t member = 0;  // names the process in all later calls; never used twice
  int index = 0;       // "worker 2": the lowest free number, used again after a death
  uint64_t job = 0;
  std::string job_spec;  // JSON, the job as the driver runs it; see driver/job_spec.h
  // Workers: the lowest number that no other living worker of the same host has. Spreads the
  // workers of a host over its GPUs.
  int slot = 0;
};

// The right to train one partition until it ends, or until it expires for want of heartbeats.
struct Lease {
  int64_t partition = 0;
  int64_t incarnation = 0;
  int64_t next_sequence = 1;  // the first push that this lease owes
  int64_t records = 0;        // in the partition
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
  // With kGranted: where the parameters are.
  ShardMap shard_map;
  std::vector<std::string> servers;  // addresses by server index
};

struct HeartbeatRequest {
  int64_t member = 0;
  int64_t partition = -1;  // the lease it holds; -1: none
  int64_t incarnation = 0;
  int64_t step = 0;         // steps trained of that partition, pushed or not; for progress only
  std::string waiting_for;  // empty, or what the member waits for ("server 0 at ..."), to be shown
  int64_t peak_memory_bytes = 0;
};

struct HeartbeatReply {
  enum class Kind { kContinue, kLeaseLost, kAbort } kind = Kind::kContinue;
  std::string reason;
};

struct FinishRequest {
  int64_t member = 0;
  int64_t partition = 0;
  int64_t incarnation = 0;
  int64_t last_sequence = 0;  // acknowledged by every shard
};

struct LeaveRequest {
  int64_t member = 0;
  // OK: ended as it should. Otherwise what made it give up; the driver reports it.
  Status status;
};

// A run of a partition's records, as the dataset stores them.
struct RecordChunk {
  int64_t first = 0;  // index in the partition
  int64_t records = 0;
  std::span<const std::byte> features;
  std::span<const int32_t> labels;
};

// The driver as its transport sees it. Calls come from several threads at once; none blocks for
// long. NOT_FOUND: a member or partition that the driver does not know (it has been declared dead).
class ControlService {
 public:
  virtual ~ControlService() = default;
  virtual Result<JoinReply> join(const JoinRequest& request) = 0;
  virtual Result<AcquireReply> acquire(int64_t member) = 0;
  virtual Result<HeartbeatReply> heartbeat(const HeartbeatRequest& request) = 0;
  // Idempotent. FAILED_PRECONDITION: the lease was lost before.
  virtual Status finish(const FinishRequest& request) = 0;
  virtual Status leave(const LeaveRequest& request) = 0;
  // Hands out the records of a partition from `first` on, chunk after chunk, until `sink` says
  // false. Views are valid only during the call of `sink`.
  virtual Status fetch_partition(int64_t partition, int64_t first,
                                 const std::function<bool(const RecordChunk&)>& sink) = 0;
};

// The driver as seen from a member's process. Thread-safe; every call is over within its timeout
// (fetch_partition: each chunk is). UNAVAILABLE names the driver's address.
class ControlChannel {
 public:
  virtual ~ControlChannel() = default;
  virtual Result<JoinReply> join(const JoinRequest& request, const CallOptions& options) = 0;
  virtual Result<AcquireReply> acquire(int64_t member, const CallOptions& options) = 0;
  virtual Result<HeartbeatReply> heartbeat(const HeartbeatRequest& request,
                                           const CallOptions& options) = 0;
  virtual Status finish(const FinishRequest& request, const CallOptions& options) = 0;
  virtual Status leave(const LeaveRequest& request, const CallOptions& options) = 0;
  virtual Status fetch_partition(int64_t partition, int64_t first,
                                 const std::function<bool(const RecordChunk&)>& sink,
                                 const CallOptions& options) = 0;
  virtual const std::string& address() const = 0;
};

}  // namespace sluice::wire
