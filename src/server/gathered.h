// Combines the answers of a server's shards into the server's answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "core/reply.h"
#include "wire/parameters.h"

namespace sluice::server {

// One fence of all shards. Each of them holds a reference until it has answered; when the last
// reference goes, the fence is answered: with the least sequence, or with a shard's error.
// Thread-safe.
class GatheredFence {
 public:
  explicit GatheredFence(core::Reply<Result<wire::FenceReply>> reply);
  ~GatheredFence();
  GatheredFence(const GatheredFence&) = delete;
  GatheredFence& operator=(const GatheredFence&) = delete;

  void add(const Result<int64_t>& sequence);

 private:
  core::Reply<Result<wire::FenceReply>> reply_;

  std::mutex mutex_;
  int64_t least_ = INT64_MAX;
  Status status_;
};

// One call of all shards that is answered with OK or with a shard's error. As GatheredFence.
class GatheredStatus {
 public:
  explicit GatheredStatus(core::Reply<Status> reply) : reply_(std::move(reply)) {}
  ~GatheredStatus() { reply_(status_); }
  GatheredStatus(const GatheredStatus&) = delete;
  GatheredStatus& operator=(const GatheredStatus&) = delete;

  void add(const Status& status) {
    std::lock_guard lock(mutex_);
    if (!status.ok()) status_ = status;
  }

 private:
  core::Reply<Status> reply_;

  std::mutex mutex_;
  Status status_;
};

// The partitions that any shard has heard of, with how many pushes of it all of them have.
class GatheredPartitions {
 public:
  using Counts = std::vector<wire::LedgerReply::PartitionCount>;

  void add(const Counts& shard);
  Counts result() const;

 private:
  size_t shards_ = 0;
  // By partition, with the number of shards that know it.
  std::map<int64_t, std::pair<wire::LedgerReply::PartitionCount, size_t>> counts_;
};

}  // namespace sluice::server
