#include "transport/inproc/registry.h"

#include <cstdio>

namespace sluice::transport {

InprocRegistry::Lease::~Lease() {
  if (!registry_) return;  // moved from
  std::lock_guard lock(registry_->mutex_);
  --registry_->entries_.at(name_).calls;
  registry_->changed_.notify_all();
}

Result<std::string> InprocRegistry::add(const std::string& name, Service service) {
  std::lock_guard lock(mutex_);
  std::string given = name;
  while (given.empty() || (name.empty() && entries_.contains(given))) {
    given = "inproc-" + std::to_string(++names_given_);
  }
  if (!entries_.try_emplace(given, Entry{service}).second) {
    return unavailable("cannot listen on " + given +
                       ": the name is in use; choose another, or none for any");
  }
  changed_.notify_all();
  return given;
}

void InprocRegistry::remove(const std::string& name) {
  std::unique_lock lock(mutex_);
  Entry& entry = entries_.at(name);
  entry.closing = true;
  changed_.wait(lock, [&] { return entry.calls == 0; });
  entries_.erase(name);
}

Result<InprocRegistry::Lease> InprocRegistry::acquire(const std::string& name,
                                                      core::Duration timeout) {
  std::unique_lock lock(mutex_);
  auto it = entries_.end();
  const bool found = changed_.wait_for(lock, core::bounded(timeout), [&] {
    it = entries_.find(name);
    return it != entries_.end() && !it->second.closing;
  });
  if (!found) {
    char waited[32];
    std::snprintf(waited, sizeof waited, "%.1f s", core::to_seconds(timeout));
    return unavailable("nobody listens at " + name + ": waited " + waited);
  }
  ++it->second.calls;
  return Lease(shared_from_this(), name, it->second.service);
}

}  // namespace sluice::transport
