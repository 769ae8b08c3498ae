// A transport without a network: services of one process call one another directly.
//
// Addresses are names, known only within one InprocTransport. Everything that a network promises
// holds here too, so that code can be tested on it: a call to a name where nobody listens yet waits
// for it and is then UNAVAILABLE, one that is not answered within its timeout is DEADLINE_EXCEEDED
// and a later answer is dropped, and payloads may come in pieces. A service is called on the
// caller's thread, and answers on the service's. Time and timers are the world's. Thread-safe.
// Channels may outlive the transport and the listeners.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/real_world.h"
#include "wire/transport.h"

namespace sluice::transport {

class InprocNetwork;

struct InprocOptions {
  // Bytes in the pieces that a service gets its payloads in, over and over; empty: one piece.
  std::vector<size_t> piece_sizes;
};

class InprocTransport final : public wire::Transport {
 public:
  // Throws std::invalid_argument for a piece size of 0.
  explicit InprocTransport(InprocOptions options = {}, core::World& world = core::real_world());
  ~InprocTransport() override;

  // UNAVAILABLE: the name is taken. The empty name stands for one that is free. Listeners wait for
  // the calls that are inside the service when they are destroyed, not for its answers.
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ParameterService* service,
                                                 const wire::ListenOptions& options) override;
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ControlService* service) override;

  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string& address) override;
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string& address) override;

 private:
  const InprocOptions options_;
  const std::shared_ptr<InprocNetwork> network_;
};

}  // namespace sluice::transport
