// Replicas of one model for inference. Compiling takes longer than most calls compute, so what one
// call is done with is kept for the next; calls at the same time have one each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/replica.h"

namespace sluice::backend {

// Thread-safe.
class ReplicaPool {
 public:
  // What a replica is compiled for. Of two with the same key either will do.
  struct Key {
    std::vector<GraphOutput> outputs{};  // losses and metrics; their values are the model's
    bool weighted = false;
    int64_t batch_size = 1;
    int threads = 1;
    std::string device{};
    int64_t gpu_memory_bytes = 0;

    bool operator==(const Key&) const = default;
  };

  // A replica that nobody else uses. Goes back to the pool, which must still be there: unless an
  // exception is on its way, after which nothing is known of a device.
  class Lease {
   public:
    Lease(ReplicaPool& pool, Key key, std::unique_ptr<Replica> replica)
        : pool_(pool), key_(std::move(key)), replica_(std::move(replica)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (std::uncaught_exceptions() == exceptions_) {
        pool_.put_back(std::move(key_), std::move(replica_));
      }
    }
    Replica& operator*() const { return *replica_; }

   private:
    ReplicaPool& pool_;
    Key key_;
    std::unique_ptr<Replica> replica_;
    const int exceptions_ = std::uncaught_exceptions();
  };

  // A replica with `parameters`; made by compile() where none is free.
  template <typename Compile>
  Lease take(const Key& key, std::span<const float> parameters, const Compile& compile) {
    std::unique_ptr<Replica> replica = find(key);
    if (replica == nullptr) replica = compile();
    std::copy(parameters.begin(), parameters.end(), replica->parameters().begin());
    replica->parameters_changed();
    return {*this, key, std::move(replica)};
  }

  // The model has changed.
  void clear() {
    const std::lock_guard lock(mutex_);
    free_.clear();
  }

 private:
  static constexpr size_t kMostFree = 4;  // each has a copy of the parameters
  struct Free {
    Key key;
    std::unique_ptr<Replica> replica;
  };

  std::unique_ptr<Replica> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->key != key) continue;
      std::unique_ptr<Replica> replica = std::move(it->replica);
      free_.erase(it);
      return replica;
    }
    return nullptr;
  }

  void put_back(Key key, std::unique_ptr<Replica> replica) {
    std::list<Free> gone;  // destroyed behind the lock
    const std::lock_guard lock(mutex_);
    free_.push_front({std::move(key), std::move(replica)});
    if (free_.size() > kMostFree) gone.splice(gone.begin(), free_, std::prev(free_.end()));
  }

  std::mutex mutex_;
  std::list<Free> free_;  // guarded by mutex_; the one that came last first
};

}  // namespace sluice::backend
