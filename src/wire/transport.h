// What a transport offers: channels to addresses, and listening services. transport/grpc and
// transport/inproc implement it; only train/ and cli/ choose which.
//
// Addresses: "HOST:PORT", "unix:/path" (a socket file on this host), or, inproc, any name.
#pragma once

#include <memory>
#include <string>

#include "sluice/status.h"
#include "wire/control.h"
#include "wire/parameters.h"

namespace sluice::wire {

// A service that is being listened for; stops when destroyed, after calls in flight have ended
// (within a second).
class Listener {
 public:
  virtual ~Listener() = default;
  // Where it listens, with the port that the system chose when port 0 was asked for.
  virtual const std::string& address() const = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // `service` must outlive the listener. UNAVAILABLE: the address is in use or not this host's; the
  // message says which and what to do. `threads` serve the data plane.
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                   ParameterService* service, int threads) = 0;
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                   ControlService* service) = 0;

  // Never fails and never waits: the first call finds out who is there.
  virtual std::shared_ptr<ParameterChannel> connect_parameters(const std::string& address) = 0;
  virtual std::shared_ptr<ControlChannel> connect_control(const std::string& address) = 0;
};

}  // namespace sluice::wire
