// Who listens under which name, and how many calls each service is in.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/clock.h"
#include "sluice/status.h"
#include "wire/control.h"
#include "wire/parameters.h"

namespace sluice::transport {

class InprocRegistry : public std::enable_shared_from_this<InprocRegistry> {
 public:
  // One of the two is set.
  struct Service {
    wire::ParameterService* parameters = nullptr;
    wire::ControlService* control = nullptr;
  };

  // Keeps a service from being removed while it is in a call.
  class Lease {
   public:
    Lease(std::shared_ptr<InprocRegistry> registry, std::string name, Service service)
        : registry_(std::move(registry)), name_(std::move(name)), service_(service) {}
    Lease(Lease&&) = default;
    ~Lease();
    const Service& service() const { return service_; }

   private:
    std::shared_ptr<InprocRegistry> registry_;
    std::string name_;
    Service service_;
  };

  // The name it was given: `name`, or a free one when that is empty. UNAVAILABLE: it is taken.
  Result<std::string> add(const std::string& name, Service service);
  // Returns when the last call in progress has ended.
  void remove(const std::string& name);
  // Waits until somebody listens. UNAVAILABLE: nobody did within the timeout.
  Result<Lease> acquire(const std::string& name, core::Duration timeout);

 private:
  struct Entry {
    Service service;
    int calls = 0;
    bool closing = false;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  int names_given_ = 0;
};

}  // namespace sluice::transport
