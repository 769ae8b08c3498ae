// One call to a service of the same process: finds it, guards it, and holds it to its timeout.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "transport/inproc/registry.h"

namespace sluice::transport {

// Calls `invoke` with the service at `name`. Returns what it returned, a Status or Result<T>.
template <typename Invoke>
auto call_inproc(const std::shared_ptr<InprocRegistry>& registry, const std::string& name,
                 core::Duration timeout, Invoke invoke)
    -> decltype(invoke(std::declval<const InprocRegistry::Service&>())) {
  const auto start = std::chrono::steady_clock::now();
  const Result<InprocRegistry::Lease> lease = registry->acquire(name, timeout);
  if (!lease.ok()) return lease.status();
  auto result = invoke(lease->service());
  if (std::chrono::steady_clock::now() - start > timeout) {
    char took[32];
    std::snprintf(took, sizeof took, "%.1f s", core::to_seconds(timeout));
    return deadline_exceeded(name + " did not answer within " + took);
  }
  return result;
}

inline Status wrong_kind(const std::string& name, const char* expected) {
  return {StatusCode::kUnimplemented, name + " is no " + expected};
}

}  // namespace sluice::transport
