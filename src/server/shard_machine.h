// What one shard decides and counts: which pushes are applied, when values may be assigned, what a
// fence answers.
//
// Plain single-threaded code: calls are its events, one after the other, and what is to be done is
// in the answer. ShardStore has the values, rules, threads and replies, and holds back the calls
// that come while a push is being applied (turns.h).
//
//   push()  an error     refused, whether fenced, a gap or senseless; not applied
//           kDuplicate   had been applied: answer with the present values
//           kApply       compute the values of the next version, then call applied(), which cannot
//                        fail; when computing them fails, nothing is called and nothing changes
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "algorithm/update_rule.h"
#include "server/push_ledger.h"
#include "server/training_totals.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::server {

class ShardMachine {
 public:
  // `pushes`: how many each partition will have; outlives the machine.
  ShardMachine(const wire::Shard& shard, std::span<const int64_t> pushes);

  // Values of so many bytes are to be assigned, which assigned() then says has been done.
  // INVALID_ARGUMENT: not the shard's size. ALREADY_EXISTS: there has been a push.
  Status assign(size_t bytes) const;
  void assigned() noexcept { assigned_ = true; }

  struct PushAction {
    enum class Kind { kApply, kDuplicate } kind = Kind::kApply;
    algorithm::PushContext context;
  };
  // INVALID_ARGUMENT: a size or a number that makes no sense, or a push that the job does not have.
  // FAILED_PRECONDITION: no values assigned yet. ABORTED: fenced off, or a gap. Throws
  // std::bad_alloc, and then nothing has changed.
  Result<PushAction> push(const wire::PushHeader& header, size_t bytes);
  // The push for which push() has just said kApply was applied at `now`.
  void applied(const wire::PushHeader& header, core::TimePoint now) noexcept;

  // From now on pushes of the partition below the incarnation are fenced. Answers with the last
  // sequence that has been applied. INVALID_ARGUMENT: the job has no such partition, or an
  // incarnation that makes no sense. Throws std::bad_alloc, and then nothing has changed.
  Result<int64_t> fence(int64_t partition, int64_t incarnation);

  int64_t version() const { return count_.version; }
  const wire::LedgerReply::ShardCount& count() const { return count_; }
  const TrainingTotals& totals() const { return totals_; }
  const PushLedger& ledger() const { return ledger_; }

 private:
  Status check(const wire::PushHeader& header, size_t bytes) const;
  Status check_size(const char* what, size_t bytes) const;
  Status check_identity(const wire::PushIdentity& id) const;
  Status check_metrics(const wire::PushHeader& header) const;
  Status refuse(PushDecision decision, const wire::PushIdentity& id);
  bool has_partition(int64_t partition) const;
  std::string who() const;

  const wire::Shard shard_;
  const std::span<const int64_t> pushes_;

  bool assigned_ = false;
  PushLedger ledger_;
  TrainingTotals totals_;
  wire::LedgerReply::ShardCount count_;
  int64_t steps_ = 0;  // of the pushes that were applied
};

}  // namespace sluice::server
