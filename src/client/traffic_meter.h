// What a worker and its servers have sent each other, for its heartbeats to tell.
//
// Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "wire/control.h"

namespace sluice::client {

class TrafficMeter {
 public:
  // Exchanges that have ended: their counts are added, their way is the server's from now on.
  void add(const std::vector<wire::Traffic>& more) {
    std::lock_guard lock(mutex_);
    for (const wire::Traffic& its : more) wire::add(servers_[its.server], its);
  }
  // By server.
  std::vector<wire::Traffic> all() const {
    std::lock_guard lock(mutex_);
    std::vector<wire::Traffic> result;
    for (const auto& [server, traffic] : servers_) result.push_back(traffic);
    return result;
  }

 private:
  mutable std::mutex mutex_;
  std::map<int, wire::Traffic> servers_;
};

}  // namespace sluice::client
