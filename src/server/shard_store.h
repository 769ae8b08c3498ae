// One shard of the parameters at its server: values, version, rule, and the ledger of its pushes.
//
// The values are an immutable snapshot with a version. A push writes rule(old, update) into another
// buffer, in one pass over blocks that stay in the cache, and publishes it together with its entry
// in the ledger. Whoever pulls shares the snapshot: without copying, never torn, and without
// waiting for a push that is being applied. A push that fails, for whatever reason, has changed
// nothing.
//
// Errors: INVALID_ARGUMENT, the payload's size is not the shard's, or an identity that makes no
// sense; FAILED_PRECONDITION, no values assigned yet; ALREADY_EXISTS, assigning after a push;
// ABORTED, fenced off or a gap in the sequence. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "server/buffer_pool.h"
#include "server/push_ledger.h"
#include "server/training_totals.h"
#include "server/update_rule.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::server {

class ShardStore {
 public:
  using MakeRule = std::function<std::unique_ptr<UpdateRule>(size_t shard_size)>;

  // Takes no memory for values, and makes no rule, before the first assign(). The pool's buffers
  // are at least as large as the shard.
  ShardStore(const wire::Shard& shard, MakeRule make_rule, std::shared_ptr<BufferPool> pool);

  Status assign(const wire::PayloadView& values);

  // Applies the push once. The snapshot in the reply is of the version that the push produced; for
  // a duplicate, the present one.
  Result<wire::ExchangeReply> push(const wire::PushHeader& header, const wire::PayloadView& update);

  Result<wire::PullReply> pull() const;

  // Returns the last sequence of the partition that has been applied.
  int64_t fence(int64_t partition, int64_t incarnation);

  struct Report {
    wire::LedgerReply::ShardCount count;
    TrainingTotals totals;
    PushLedger ledger;
    double update_seconds = 0;
  };
  Report report() const;

 private:
  Status check(const wire::PushHeader& header, const wire::PayloadView& update) const;
  Status refuse(PushDecision decision, const wire::PushIdentity& id);
  std::shared_ptr<core::AlignedBuffer> updated(std::span<const float> old_values,
                                               const wire::PayloadView& update,
                                               const PushContext& context);
  void publish(int64_t version, std::shared_ptr<const core::AlignedBuffer> values) noexcept;
  wire::PullReply current() const;
  std::string who() const;

  const wire::Shard shard_;
  const MakeRule make_rule_;
  const std::shared_ptr<BufferPool> pool_;

  mutable std::mutex mutex_;  // held for a push from its decision to its record
  std::unique_ptr<UpdateRule> rule_;
  PushLedger ledger_;
  TrainingTotals totals_;
  wire::LedgerReply::ShardCount count_;
  double update_seconds_ = 0;

  mutable std::mutex snapshot_mutex_;  // only for reading or exchanging the pointer
  wire::PullReply snapshot_;           // written under both
};

}  // namespace sluice::server
