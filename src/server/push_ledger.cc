#include "server/push_ledger.h"

#include <algorithm>

#include "core/check.h"

namespace sluice::server {

PushDecision PushLedger::decide(const wire::PushIdentity& id) const {
  const Entry now = entry(id.partition);
  if (id.incarnation < now.incarnation) return PushDecision::kFenced;
  if (id.sequence <= now.sequence) return PushDecision::kDuplicate;
  if (id.sequence > now.sequence + 1) return PushDecision::kGap;
  return PushDecision::kApply;
}

void PushLedger::record(const wire::PushIdentity& id) noexcept {
  const auto it = entries_.find(id.partition);
  SLUICE_CHECK(it != entries_.end()) << "partition " << id.partition << " was not reserved";
  it->second = {id.incarnation, id.sequence};
}

void PushLedger::fence(int64_t partition, int64_t incarnation) {
  Entry& entry = entries_[partition];
  entry.incarnation = std::max(entry.incarnation, incarnation);
}

PushLedger::Entry PushLedger::entry(int64_t partition) const {
  const auto it = entries_.find(partition);
  return it == entries_.end() ? Entry{} : it->second;
}

}  // namespace sluice::server
