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
#include "core/parameter_set.h"

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
    Lease(ReplicaPool& pool, Key key, uint64_t version, std::unique_ptr<Replica> replica)
        : pool_(pool), key_(std::move(key)), version_(version), replica_(std::move(replica)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (std::uncaught_exceptions() == exceptions_) {
        pool_.put_back({std::move(key_), version_, std::move(replica_)});
      }
    }
    Replica& operator*() const { return *replica_; }

   private:
    ReplicaPool& pool_;
    Key key_;
    const uint64_t version_;
    std::unique_ptr<Replica> replica_;
    const int exceptions_ = std::uncaught_exceptions();
  };

  // A replica with these parameters, copied into it unless it has them; made by compile() where
  // none is free.
  template <typename Compile>
  Lease take(const Key& key, const core::ParameterSet& parameters, const Compile& compile) {
    Free found = find(key);
    if (found.replica == nullptr) found.replica = compile();
    if (found.version != parameters.version()) {
      const std::span<const float> values = parameters.values();
      std::copy(values.begin(), values.end(), found.replica->parameters().begin());
      found.replica->parameters_changed();
    }
    return {*this, key, parameters.version(), std::move(found.replica)};
  }

  // The model has changed.
  void clear() {
    const std::lock_guard lock(mutex_);
    free_.clear();
  }

 private:
  static constexpr size_t kMostFree = 4;  // each has a copy of the parameters
  struct Free {
    Key key{};
    uint64_t version = 0;  // of the parameters that it has; 0: none
    std::unique_ptr<Replica> replica{};
  };

  // Without a replica where none is free.
  Free find(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->key != key) continue;
      Free found = std::move(*it);
      free_.erase(it);
      return found;
    }
    return {};
  }

  void put_back(Free replica) {
    std::list<Free> gone;  // destroyed behind the lock
    const std::lock_guard lock(mutex_);
    free_.push_front(std::move(replica));
    if (free_.size() > kMostFree) gone.splice(gone.begin(), free_, std::prev(free_.end()));
  }

  std::mutex mutex_;
  std::list<Free> free_;  // guarded by mutex_; the one that came last first
};

}  // namespace sluice::backend
