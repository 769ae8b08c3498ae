// What a server decides and counts: which pushes it applies, when values may be assigned, what a
// fence answers. All shards of the server have each push that is counted, or none has it.
//
// Plain single-threaded code: calls are its events, one after the other, and what is to be done is
// in the answer. JobStore has the values, rules, threads and replies; it gathers the pieces of a
// push (staged_push.h), and holds back the calls that come while one is being applied (turns.h).
//
//   arrive()  an error    the message is refused: fenced, a gap or senseless
//             duplicate   the push had been counted: answer with the present values
//             else        keep the piece
//   push()    an error    refused, not applied
//             kDuplicate  had been counted
//             kSuperseded came when its round had ended: is counted, apart, and not applied
//             kApply      let the shards' rules have it, then call applied(), which cannot fail;
//                         when a rule fails, nothing is called and nothing changes
//
// After each call round_to_end() says whether a round ends without another push. The answer to a
// push is held until may_answer().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/gate.h"
#include "server/push_ledger.h"
#include "server/training_totals.h"
#include "sluice/algorithm/update_rule.h"
#include "sluice/status.h"
#include "wire/move.h"
#include "wire/parameters.h"

namespace sluice::server {

class PushMachine {
 public:
  // One of the server's shards. `owner`: the only partition whose pushes have an update for it; -1:
  // all have.
  struct Owned {
    wire::Shard shard;
    int64_t owner = -1;
  };

  // `shards` in order, by which they are numbered here from 0. `pushes`: how many each partition
  // will have; outlives the machine.
  PushMachine(const std::vector<Owned>& shards, std::span<const int64_t> pushes,
              Gate gate = {/*rounds=*/false, /*backups=*/0});

  size_t shards() const { return shards_.size(); }
  // Where the range begins among the server's shards. NOT_FOUND: it has others, or not all of them.
  Result<size_t> place_of(wire::ShardRange range) const;
  // Whether a push of the partition has an update for the shard, and is answered with its values.
  bool has_update(size_t shard, int64_t partition) const {
    return shards_[shard].owner < 0 || partition == shards_[shard].owner;
  }

  // Values of so many bytes are to be assigned, which assigned() then says has been done.
  // INVALID_ARGUMENT: not the shards' size. ALREADY_EXISTS: there has been a push.
  Status assign(wire::ShardRange range, size_t bytes) const;
  void assigned(size_t shard) noexcept { shards_[shard].assigned = true; }
  bool is_assigned(size_t shard) const { return shards_[shard].assigned; }

  // A message of a push has come. Whether the push has been counted. NOT_FOUND, INVALID_ARGUMENT: a
  // size or a number that makes no sense, or a push that the job does not have.
  // FAILED_PRECONDITION: no values assigned yet. ABORTED: fenced off, or a gap. Throws
  // std::bad_alloc, and then nothing has changed.
  Result<bool> arrive(const wire::PushHeader& header, size_t bytes);

  // All pieces of the push are there, and it is its turn. ABORTED: fenced off, or a gap. Throws
  // std::bad_alloc, and then nothing has changed. A duplicate is counted for the gate; that
  // somebody commits what has been applied, because one of its messages has been faster, is nothing
  // special.
  enum class Became { kApply, kDuplicate, kSuperseded };
  Result<Became> push(const wire::PushHeader& header);
  // INVALID_ARGUMENT: values of these shards are not encoded so.
  static Status check_encoding(wire::ShardRange range, const compression::Compression& encoding);
  bool was_superseded(int64_t partition, int64_t sequence) const {
    return superseded_.contains({partition, sequence});
  }
  // What a shard's rule is told of it; `base_version`: of the values that its window began from.
  algorithm::PushContext context_of(const wire::PushHeader& header, size_t shard,
                                    int64_t base_version) const;
  // The push for which push() has just said kApply was applied at `now`. By shard: whether new
  // values were published. What it brought to the others is kept there.
  void applied(const wire::PushHeader& header, int64_t staleness, bool closes,
               std::span<const char> published, core::TimePoint now) noexcept;

  // As Gate::set().
  bool set_gate(const wire::Gate& gate) { return gate_.set(gate); }
  // Whether the present round ends without another push; `flush`: in any case, and what is kept
  // outside of rounds too. Then the shards that keep something are given closing_context(), and
  // round_ended() is called.
  bool round_ends(bool flush) const;
  bool keeps(size_t shard) const { return shards_[shard].kept > 0; }
  algorithm::PushContext closing_context(size_t shard) const;
  void round_ended(std::span<const char> published) noexcept;
  bool may_answer(int64_t member, int64_t clock) const { return gate_.may_answer(member, clock); }
  const Gate& gate() const { return gate_; }

  // INVALID_ARGUMENT: the job has no such pushes, or an incarnation that makes no sense.
  // RESOURCE_EXHAUSTED: the ledger is cut into too many pieces. Throws std::bad_alloc, and then
  // nothing has changed. Of the reply `staged` is left to the caller.
  Result<wire::FenceReply> fence(const wire::FenceRequest& request);
  // Messages that wait for a push which has been fenced off, and are refused with this.
  Status refuse_fenced(const wire::PushIdentity& id);

  bool has_push(int64_t partition, int64_t sequence) const {
    return has_partition(partition) && sequence >= 1 &&
           sequence <= pushes_[static_cast<size_t>(partition)];
  }
  // Of a push of the job, applied or superseded, and below which incarnation it is refused.
  bool was_counted(int64_t partition, int64_t sequence) const;
  int64_t incarnation_of(int64_t partition, int64_t sequence) const {
    return ledger_.segment(partition, sequence).incarnation;
  }
  // What other servers need of it to go on from here.
  wire::LedgerState state() const;
  // Of a shard, the machine's part.
  void add_state(size_t shard, wire::ShardState& state) const;
  // Goes on from there, before anything else; `shards` by place. INVALID_ARGUMENT: that is none of
  // this job. Throws std::bad_alloc.
  Status adopt(const wire::LedgerState& ledger, std::span<const wire::ShardState> shards,
               const TrainingTotals& totals);

  int64_t version() const { return counts_.version; }
  // Of a shard's values: a push that is kept changes none.
  int64_t values_version(size_t shard) const { return shards_[shard].values_version; }
  // With the counts alone.
  const wire::LedgerReply& counts() const { return counts_; }
  const TrainingTotals& totals() const { return totals_; }
  const PushLedger& ledger() const { return ledger_; }

 private:
  struct Shard {
    wire::Shard shard;
    int64_t owner = -1;
    bool assigned = false;
    int64_t values_version = 0;
    int64_t kept = 0;   // pushes that no values have come of yet
    int64_t steps = 0;  // of the pushes that were applied to it
  };

  Status check(const wire::PushHeader& header, size_t bytes) const;
  Status check_size(const char* what, wire::ShardRange range, size_t bytes, size_t expected) const;
  Status check_identity(const wire::PushIdentity& id) const;
  Status check_metrics(const wire::PushHeader& header) const;
  Status refuse(PushDecision decision, const wire::PushIdentity& id);
  bool has_partition(int64_t partition) const;
  size_t bytes_of(size_t place, wire::ShardRange range) const;
  void count(const wire::PushHeader& header) noexcept;

  std::vector<Shard> shards_;
  const std::span<const int64_t> pushes_;

  PushLedger ledger_;
  TrainingTotals totals_;
  wire::LedgerReply counts_;
  Gate gate_;
  std::set<std::pair<int64_t, int64_t>> superseded_;  // by partition and sequence
  int64_t all_pushes_ = 0;                            // that the job has
};

// "shard 3", "shards 3 to 5".
std::string to_text(wire::ShardRange range);

}  // namespace sluice::server
