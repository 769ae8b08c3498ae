#include "server/gathered.h"

#include <algorithm>

namespace sluice::server {

GatheredFence::GatheredFence(core::Reply<Result<wire::FenceReply>> reply)
    : reply_(std::move(reply)) {}

GatheredFence::~GatheredFence() {
  if (status_.ok()) {
    reply_(wire::FenceReply{least_});
  } else {
    reply_(status_);
  }
}

void GatheredFence::add(const Result<int64_t>& sequence) {
  std::lock_guard lock(mutex_);
  if (sequence.ok()) {
    least_ = std::min(least_, *sequence);
  } else {
    status_ = sequence.status();
  }
}

void GatheredPartitions::add(const Counts& shard) {
  ++shards_;
  for (const wire::LedgerReply::PartitionCount& count : shard) {
    auto& [gathered, seen] = counts_.try_emplace(count.partition, count, 0).first->second;
    gathered.pushes = std::min(gathered.pushes, count.pushes);
    ++seen;
  }
}

GatheredPartitions::Counts GatheredPartitions::result() const {
  Counts result;
  result.reserve(counts_.size());
  for (const auto& [partition, counted] : counts_) {
    auto [count, seen] = counted;
    if (seen < shards_) count.pushes = 0;
    result.push_back(count);
  }
  return result;
}

}  // namespace sluice::server
