// The data plane as plain C++: what a worker (or the driver) and a parameter server say to each
// other, and the two interfaces that a transport joins. proto/parameters.proto is its wire form.
//
// A push is identified by (partition, incarnation, sequence). The sequence numbers the pushes of
// one partition's training from 1, whichever worker makes them; the incarnation counts the leases
// of the partition, each of which is an interval of its pushes. A shard applies sequence n of a
// partition exactly once, and within a lease in order: n again is answered as a duplicate, n + 2 is
// refused, and so is every push under an older incarnation than the interval's (a worker that lost
// its lease, or that part of it). An interval that was taken over is therefore trained on from the
// last push that every shard has, and shards that already had one more simply skip it: no update is
// lost or doubled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compression/compression.h"
#include "core/aligned_buffer.h"
#include "core/byte_order.h"
#include "core/clock.h"
#include "core/reply.h"
#include "sluice/status.h"
#include "wire/shard_map.h"
#include "wire/traffic.h"

namespace sluice::wire {

struct MoveRequest;  // wire/move.h
struct MoveReply;

struct PushIdentity {
  int64_t partition = 0;
  int64_t incarnation = 0;
  int64_t sequence = 0;

  friend bool operator==(const PushIdentity&, const PushIdentity&) = default;
};

// Of a push's metrics in one epoch.
inline constexpr size_t kMostCounters = size_t{1} << 17;

// What a push trained on, summed over its records of one epoch.
struct EpochMetrics {
  int32_t epoch = 0;  // from 0
  int64_t samples = 0;
  double loss_sum = 0;  // sum over samples
  // Of the metrics, as backend::StepMetrics; at most kMostCounters.
  std::vector<double> counters{};
  // Of pushes that came when their round had ended: not in `samples`, nor in any other sum.
  int64_t superseded = 0;

  friend bool operator==(const EpochMetrics&, const EpochMetrics&) = default;
};

// Who trains at the moment, and how far they may be apart. Servers hold answers by it
// (server/gate.h).
struct Gate {
  struct Trainee {
    int64_t member = 0;
    int worker = 0;  // its number, for people
    // Where it begins; -1: at the floor that the servers tell it, and nobody waits for it before
    // its first push.
    int64_t clock = -1;
    friend bool operator==(const Trainee&, const Trainee&) = default;
  };

  int64_t generation = 0;  // the driver counts; of two the larger is newer
  std::vector<Trainee> trainees{};
  // Windows that one may be ahead of the slowest; -1: any number.
  int64_t max_staleness = -1;
  // 0: `trainees` are all who train. Else they are those who came after this generation, which the
  // receiver has heard of, and nobody has gone since.
  int64_t since = 0;

  friend bool operator==(const Gate&, const Gate&) = default;
};

// What a message of a push asks for.
enum class PushStep {
  kApply,   // here is a piece; apply the push when all pieces are there, and answer with values
  kStage,   // here is a piece; keep it
  kCommit,  // apply what was staged, and answer with values
};

// Values are wanted as their difference to what the caller holds: of one shard.
struct Wanted {
  compression::Compression encoding{};  // of the difference
  int64_t member = 0;                   // who asks
  // PulledVersion::held of the answer that it has taken last; 0: none, and all is sent. So it is
  // when the server does not know that name.
  uint64_t holds = 0;
};

struct PushHeader {
  uint64_t job = 0;      // a server refuses another job's pushes
  int64_t revision = 0;  // of the map that `shards` are of
  // Of the receiver: what the message brings an update for, and is answered with the values of.
  // None: the push has no update for this server's shards (or nobody wants values).
  ShardRange shards;
  PushIdentity id;
  PushStep step = PushStep::kApply;
  int worker = 0;            // who pushes; for the per-worker report only
  int64_t member = 0;        // likewise, for the gate
  int64_t base_version = 0;  // of the values of `shards` that the worker started from
  int32_t steps = 0;         // mini-batches that the payload sums up
  double learning_rate = 0;  // of the last of them; 0: not known
  int64_t clock = 0;         // of the worker: the windows that it has pushed, with this one
  // Recorded once with the push they came with. Only messages to ShardMap::kLedgerServer have them.
  std::vector<EpochMetrics> metrics;
  // Of the optimizer at the servers, when it was changed while the job runs: so it is in force for
  // all shards of a push, or for none.
  std::optional<float> optimizer_rate{};
  double rate_scale = 1;  // what its rate is multiplied by for this push (sluice/algorithm/gain.h)
  // kCommit, of a job with backup workers: what another server has made of the push, which holds
  // for all of them; absent: the receiver decides.
  std::optional<bool> superseded{};
  compression::Compression encoding{};  // of the update: if it is any, of one shard
  std::optional<Wanted> wanted{};
};

struct PushReply {
  int64_t version = 0;     // of the values, after this push (or now, for a duplicate)
  bool duplicate = false;  // this sequence had been applied before
  bool superseded = false;  // it came when its round had ended, and was dropped
};

// Floats of a message that came in, in the order of bytes that core/byte_order.h asserts: views of
// the transport's buffers, in order, cut anywhere (also inside a float), valid as long as `owner`
// lives.
struct ReceivedPayload {
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> owner;
  compression::Compression encoding{};  // how they are written
  size_t bytes() const {
    size_t n = 0;
    for (const auto& piece : pieces) n += piece.size();
    return n;
  }
};

// The bytes of `payload` from `offset` on, which it has.
ReceivedPayload part_of(const ReceivedPayload& payload, size_t offset, size_t bytes);

// Puts what was received into `into`, or, where it is encoded, adds it to what is there: it is a
// difference then. INVALID_ARGUMENT, DATA_LOSS: it is none of so many values, and nothing has been
// changed.
Status take(const ReceivedPayload& received, std::span<float> into);

// Floats of a message that goes out. The transport keeps `owner` alive until the bytes are on the
// way, which may be after the call has been answered (a deadline, a cancel).
struct Payload {
  std::shared_ptr<const void> owner;
  std::span<const float> values;
};

// Likewise, of floats or of what they have been encoded to.
struct Bytes {
  Bytes() = default;
  Bytes(std::shared_ptr<const void> its_owner, std::span<const std::byte> its_bytes)
      : owner(std::move(its_owner)), bytes(its_bytes) {}
  Bytes(const Payload& floats) : owner(floats.owner), bytes(std::as_bytes(floats.values)) {}

  // Of floats that have not been encoded.
  std::span<const float> floats() const {
    return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
  }

  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};

struct PullRequest {
  uint64_t job = 0;
  ShardRange shards;
  bool averages = false;  // instead of the values, of a job that keeps some
  int worker = -1;        // who begins a window with the values; -1: nobody
  std::optional<Wanted> wanted{};
  int64_t revision = 0;  // as PushHeader's
  // Instead of the values, for servers that take the shards over (wire/move.h).
  struct Kept {
    enum class What { kRule, kGiven } what = What::kRule;
    int index = 0;  // of RuleState::floats; zeros where there are none. Or the worker
  };
  std::optional<Kept> kept{};
};

struct PullReply {
  int64_t version = 0;          // of the oldest of the values
  std::vector<Payload> values;  // one behind another, all that was asked for
  int64_t clock = 0;            // the floor of the workers' clocks; see server/gate.h
  // Of what was wanted as a difference: instead of `values`, unless the server did not know what
  // the caller holds; and the name of what it holds then.
  struct Difference {
    compression::Compression encoding{};
    Bytes code;
  };
  std::optional<Difference> difference{};
  uint64_t held = 0;

  size_t bytes() const {
    size_t n = 0;
    for (const Payload& payload : values) n += payload.values.size_bytes();
    return n;
  }
};

// As the above, of what need not be sent.
Status take(const PullReply& pulled, std::span<float> into);

struct ExchangeReply {
  PushReply push;
  PullReply pull;  // of the version that the push produced, or a later one
};

// What a server is told to own, before anything else.
struct CreateRequest {
  uint64_t job = 0;
  ShardMap shard_map;
  int server = 0;               // which of the map's servers the receiver is
  std::string update_rule;      // JSON; see algorithm/algorithm.h
  std::vector<int64_t> pushes;  // by partition: how many there will be; others are refused
  int64_t revision = 0;         // of the map: 0 at first, then higher
};

struct AssignRequest {
  uint64_t job = 0;
  ShardRange shards;
};

// From now on pushes first to last of `partition` are refused under an incarnation below this one.
struct FenceRequest {
  uint64_t job = 0;
  int64_t partition = 0;
  int64_t incarnation = 0;
  int64_t first = 0, last = 0;
  Gate gate{};  // of which the new holder is part
};
struct FenceReply {
  // The last push of the interval up to which the server has applied all of it; first - 1: none.
  int64_t sequence = 0;
  // Of the push behind it the server has everything, under an older incarnation.
  bool staged = false;
  // The push `sequence` was superseded.
  bool superseded = false;
};

struct GateRequest {
  uint64_t job = 0;
  Gate gate{};
  // Whatever is kept for a round or a buffer is applied now: the job is about to be stopped.
  bool flush = false;
};

struct PingReply {
  // Whom answers are held for, as people call them ("worker 3"); empty: none are held.
  std::string waiting_for;
};

struct LedgerRequest {
  uint64_t job = 0;
  bool partitions = false;  // also LedgerReply::partitions
};

struct WorkerCount {
  int worker = 0;
  int64_t pushes = 0;
  int64_t samples = 0;
  friend bool operator==(const WorkerCount&, const WorkerCount&) = default;
};

// What a server has done so far; of the shards it owns.
struct LedgerReply {
  int shards = 0;
  int64_t version = 0;       // pushes counted
  int64_t duplicates = 0;    // messages of pushes that had been counted
  int64_t fenced = 0;        // messages refused for an old incarnation
  double staleness_sum = 0;  // over applied pushes: see algorithm::PushContext::staleness
  int64_t staleness_max = 0;
  int64_t superseded = 0;  // of `version`: came when their round had ended, and were dropped
  std::vector<EpochMetrics> epochs;  // of the ledger server
  // Of each of `epochs`, the seconds since its last sample was counted: a time, that is, which the
  // server's clock and the driver's need not agree on.
  std::vector<double> epoch_ages_s;
  std::vector<WorkerCount> workers;  // likewise
  struct PartitionCount {
    int64_t partition = 0;
    int64_t pushes = 0;  // counted
    friend bool operator==(const PartitionCount&, const PartitionCount&) = default;
  };
  std::vector<PartitionCount> partitions;
  // Who trains at the moment (server/gate.h).
  struct Trainee {
    int worker = 0;
    int64_t clock = -1;  // windows that it has pushed; -1: none yet, and nobody waits for it
    double held_s = -1;  // for how long an answer to it has been held; -1: none is
    friend bool operator==(const Trainee&, const Trainee&) = default;
  };
  std::vector<Trainee> trainees;
  int64_t floor = 0;              // the clock of the slowest that is waited for
  int64_t peak_memory_bytes = 0;  // of the server's process
  double update_seconds = 0;      // time spent applying updates
};

// A parameter server as its transport sees it. Calls come from several threads at once; none
// blocks. Each is answered exactly once, now or later, from any thread.
// INVALID_ARGUMENT: the payload's size is not the shard's, a push that the job does not have, or
// averages, of which it keeps none.
// NOT_FOUND: not this server's shards. FAILED_PRECONDITION: another job, no values assigned yet, or
// a commit of what was not staged.
// ABORTED: fenced off, or a gap in the sequence; the caller must give up its lease. ALREADY_EXISTS:
// creating a job again in another way, or assigning values after the first push. OUT_OF_RANGE
// (kMoved): of another map of shards than the server's.
// RESOURCE_EXHAUSTED, INTERNAL: nothing was applied.
class ParameterService {
 public:
  virtual ~ParameterService() = default;

  // Makes the shards of the job. Idempotent for the same request.
  virtual void create(const CreateRequest& request, core::Reply<Status> reply) = 0;
  // Sets values before the first push. Idempotent.
  virtual void assign(const AssignRequest& request, ReceivedPayload values,
                      core::Reply<Status> reply) = 0;
  // One message of a push. Idempotent by identity.
  virtual void exchange(const PushHeader& header, ReceivedPayload update,
                        core::Reply<Result<ExchangeReply>> reply) = 0;
  virtual void pull(const PullRequest& request, core::Reply<Result<PullReply>> reply) = 0;
  virtual void fence(const FenceRequest& request, core::Reply<Result<FenceReply>> reply) = 0;
  virtual void ledger(const LedgerRequest& request, core::Reply<Result<LedgerReply>> reply) = 0;
  // Shows that the server lives and works for the job, while a long message is under way.
  virtual void ping(uint64_t job, core::Reply<Result<PingReply>> reply) = 0;
  // Who trains has changed, or a knob. Idempotent; one that is older than another is ignored.
  virtual void set_gate(const GateRequest& request, core::Reply<Status> reply) = 0;
  // A step of a move of shards to other servers (wire/move.h). Idempotent.
  virtual void move(const MoveRequest& request, core::Reply<Result<MoveReply>> reply);
};

// The shards of a message are of a map that is no more.
inline constexpr StatusCode kMoved = StatusCode::kOutOfRange;

// One call that a channel makes: when it must be over, and how large its answer may be, besides
// values, where that is more than a few megabytes.
struct CallOptions {
  core::Duration timeout = std::chrono::seconds(30);
  size_t answer_bytes = 0;
};

// One parameter server as seen from another process. Thread-safe. Calls return at once; each is
// answered exactly once within its timeout, on any thread, which must not be blocked, perhaps
// before the call has returned. UNAVAILABLE and DEADLINE_EXCEEDED may be repeated with the same
// bytes, for nothing is applied twice. Messages name the server's address. Destroying the channel
// is a cut(): everything has been answered when the destructor returns, except on the answering
// thread.
class ParameterChannel {
 public:
  virtual ~ParameterChannel() = default;

  struct PulledVersion {
    PushReply push;  // left empty by pull()
    int64_t version = 0;
    int64_t clock = 0;
    uint64_t held = 0;  // the name of what is in `into` now; 0: it has none
    size_t bytes = 0;   // that the values have taken
  };
  // `into` receives the values of the shards (or is empty: none are expected), and stays valid
  // until the answer. Where they are wanted as a difference, it has what the caller holds.
  virtual void exchange(const PushHeader& header, Bytes update, std::span<float> into,
                        const CallOptions& options, core::Reply<Result<PulledVersion>> reply) = 0;
  virtual void pull(const PullRequest& request, std::span<float> into, const CallOptions& options,
                    core::Reply<Result<PulledVersion>> reply) = 0;
  virtual void create(const CreateRequest& request, const CallOptions& options,
                      core::Reply<Status> reply) = 0;
  virtual void assign(const AssignRequest& request, Bytes values, const CallOptions& options,
                      core::Reply<Status> reply) = 0;
  virtual void fence(const FenceRequest& request, const CallOptions& options,
                     core::Reply<Result<FenceReply>> reply) = 0;
  virtual void ledger(const LedgerRequest& request, const CallOptions& options,
                      core::Reply<Result<LedgerReply>> reply) = 0;
  virtual void ping(uint64_t job, const CallOptions& options,
                    core::Reply<Result<PingReply>> reply) = 0;
  virtual void set_gate(const GateRequest& request, const CallOptions& options,
                        core::Reply<Status> reply) = 0;
  virtual void move(const MoveRequest& request, const CallOptions& options,
                    core::Reply<Result<MoveReply>> reply);

  // Whether the server reads updates where they lie, so that one message may be about all shards
  // that it has.
  virtual bool shares_memory() { return false; }
  virtual Path path() { return {}; }

  // Ends what is under way: each call is answered soon, with CANCELLED unless it just ended.
  virtual void cut() = 0;

  virtual const std::string& address() const = 0;
};

}  // namespace sluice::wire
