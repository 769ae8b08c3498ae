// How a job's shards go to other servers while it trains.
//
// The driver leads. A map of shards has a revision, which messages about shards name, so that one
// that was cut otherwise is refused.
//
//   freeze   each server of the present map: no push is applied from now on; says what it keeps
//   commit   those that have not applied a push yet which another has (its commits were under way)
//   take     each server of the next map: gets what its shards will be from those that have it
//   switch   all: the present map's shards are given up, the next map's are what there is
//   thaw     instead of switch: everything is as before
//
// Until the first switch the move can be called off, whoever is lost. A push that comes in between
// is held, and then refused with kMoved: whoever pushes gets the next map from the driver, and
// pushes again under the same identity, which is in the ledger or is not.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "wire/parameters.h"

namespace sluice::wire {

// What a server knows of pushes. Between two pushes it is the same at all servers of a job.
struct LedgerState {
  struct Segment {  // server/push_ledger.h
    int64_t partition = 0;
    int64_t first = 0, last = 0;
    int64_t incarnation = 0;
    int64_t applied = 0;
    friend bool operator==(const Segment&, const Segment&) = default;
  };
  std::vector<Segment> segments{};           // of partitions that have been heard of, in order
  using Name = std::pair<int64_t, int64_t>;  // partition, sequence
  std::vector<Name> superseded{};            // in order
  Gate gate{};                               // all who train, with their clocks
  int64_t floor = 0, stepped = 0;            // server/gate.h
  LedgerReply counts{};                      // the counts alone
};

// What a server keeps of a shard beside floats.
struct ShardState {
  int shard = 0;
  int64_t values_version = 0;
  int64_t kept = 0, steps = 0, averaged_steps = 0;
  bool averages = false;
  // algorithm::RuleState: which of its floats there are, and its numbers.
  std::vector<bool> rule_floats{};
  std::vector<double> rule_numbers{};
  struct Given {  // what a worker was given last, in answer to this push
    int worker = 0;
    PushIdentity id{};
    int64_t version = 0;
    friend bool operator==(const Given&, const Given&) = default;
  };
  std::vector<Given> given{};
};

// A push that some server has applied, or dropped for coming too late.
struct Settled {
  int64_t partition = 0, sequence = 0;
  bool superseded = false;
  friend bool operator==(const Settled&, const Settled&) = default;
};

enum class MoveStep { kFreeze, kCommit, kTake, kSwitch, kThaw };

struct MoveRequest {
  uint64_t job = 0;
  int64_t revision = 0;  // of the next map
  MoveStep step = MoveStep::kFreeze;
  std::vector<Settled> commits{};  // kCommit: which the receiver has staged
  // kTake: what the receiver is to be, and what there is.
  CreateRequest next{};
  int64_t from_revision = 0;
  ShardMap from{};
  std::vector<std::string> servers{};  // addresses, by index in `from`
  int server = -1;                     // the receiver's index in `from`; -1: it has none
  LedgerState ledger{};
  std::vector<ShardState> shards{};  // of `from`, in order
};
struct MoveReply {
  // kFreeze, kCommit
  LedgerState ledger{};
  std::vector<LedgerState::Name> staged{};  // of which everything is there, in order
  std::vector<ShardState> shards{};         // the server's
};

}  // namespace sluice::wire
