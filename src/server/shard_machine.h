// What one shard decides and counts: which pushes are applied, when values may be assigned, what a
// fence answers.
//
// Plain single-threaded code: calls are its events, one after the other, and what is to be done is
// in the answer. ShardStore has the values, rules, threads and replies, and holds back the calls
// that come while a push is being applied (turns.h).
//
//   push()  an error      refused, whether fenced, a gap or senseless; not applied
//           kDuplicate    had been counted: answer with the present values
//           kSuperseded   came when its round had ended: is counted, apart, and not applied
//           kApply        let the rule have it, then call applied(), which cannot fail; when the
//                         rule fails, nothing is called and nothing changes
//
// After each call round_to_end() says whether a round ends without another push. The answer to a
// push is held until may_answer().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "server/gate.h"
#include "server/push_ledger.h"
#include "server/training_totals.h"
#include "sluice/algorithm/update_rule.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::server {

class ShardMachine {
 public:
  // `pushes`: how many each partition will have; outlives the machine. `owner`: the only partition
  // whose pushes have an update for the shard, those of others being counted and nothing else; -1:
  // all have.
  ShardMachine(const wire::Shard& shard, std::span<const int64_t> pushes,
               Gate gate = {/*rounds=*/false, /*backups=*/0}, int64_t owner = -1);

  // Values of so many bytes are to be assigned, which assigned() then says has been done.
  // INVALID_ARGUMENT: not the shard's size. ALREADY_EXISTS: there has been a push.
  Status assign(size_t bytes) const;
  void assigned() noexcept { assigned_ = true; }

  // Whether a push of the partition has an update for the shard, and is answered with values.
  bool has_update(int64_t partition) const { return owner_ < 0 || partition == owner_; }

  // Of kApply, PushContext::has_update says whether there is anything for the rule.
  struct PushAction {
    enum class Kind { kApply, kDuplicate, kSuperseded } kind = Kind::kApply;
    algorithm::PushContext context;
  };
  // INVALID_ARGUMENT: a size or a number that makes no sense, or a push that the job does not have.
  // FAILED_PRECONDITION: no values assigned yet. ABORTED: fenced off, or a gap. Throws
  // std::bad_alloc, and then nothing has changed.
  Result<PushAction> push(const wire::PushHeader& header, size_t bytes);
  // The push for which push() has just said kApply was applied at `now`, and new values were
  // published, or what it brought is kept.
  void applied(const wire::PushHeader& header, const algorithm::PushContext& context,
               bool published, core::TimePoint now) noexcept;

  // Ignored when it is older than another.
  void set_gate(const wire::Gate& gate) { gate_.set(gate); }
  // For the rule, when the present round ends without another push; `flush`: in any case, and what
  // is kept outside of rounds too. Then call round_ended().
  std::optional<algorithm::PushContext> round_to_end(bool flush);
  void round_ended(bool published) noexcept;
  bool may_answer(int64_t member, int64_t clock) const { return gate_.may_answer(member, clock); }
  const Gate& gate() const { return gate_; }

  // Answers with the last push of the interval up to which all are applied. INVALID_ARGUMENT: the
  // job has no such pushes, or an incarnation that makes no sense. RESOURCE_EXHAUSTED: the ledger
  // is cut into too many pieces. Throws std::bad_alloc, and then nothing has changed.
  Result<int64_t> fence(const wire::FenceRequest& request);

  int64_t version() const { return count_.version; }
  // Of the values: a push that is kept changes none.
  int64_t values_version() const { return values_version_; }
  const wire::LedgerReply::ShardCount& count() const { return count_; }
  const TrainingTotals& totals() const { return totals_; }
  const PushLedger& ledger() const { return ledger_; }

 private:
  Status check(const wire::PushHeader& header, size_t bytes) const;
  Status check_size(const char* what, size_t bytes, size_t expected) const;
  Status check_identity(const wire::PushIdentity& id) const;
  Status check_metrics(const wire::PushHeader& header) const;
  Status refuse(PushDecision decision, const wire::PushIdentity& id);
  bool has_partition(int64_t partition) const;
  algorithm::PushContext context_of(const wire::PushHeader& header) const;
  void count(const wire::PushHeader& header) noexcept;
  std::string who() const;

  const wire::Shard shard_;
  const std::span<const int64_t> pushes_;
  const int64_t owner_;

  bool assigned_ = false;
  PushLedger ledger_;
  TrainingTotals totals_;
  wire::LedgerReply::ShardCount count_;
  Gate gate_;
  int64_t all_pushes_ = 0;  // that the job has
  int64_t values_version_ = 0;
  int64_t kept_ = 0;   // pushes that no values have come of yet
  int64_t steps_ = 0;  // of the pushes that were applied
};

}  // namespace sluice::server
