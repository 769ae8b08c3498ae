// What a transport offers: channels to addresses, and listening services. transport/grpc and
// transport/inproc implement it; only train/ and cli/ choose which.
//
// Addresses: "HOST:PORT", "unix:/path" (a socket file on this host), or, inproc, any name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/aligned_buffer.h"
#include "sluice/status.h"
#include "wire/control.h"
#include "wire/parameters.h"

namespace sluice::wire {

// How a parameter server listens.
struct ListenOptions {
  static constexpr size_t kAnySize = SIZE_MAX;
  static constexpr size_t kNotKnownYet = 0;

  int threads = 1;  // that call the service
  // Larger messages are refused with RESOURCE_EXHAUSTED. kNotKnownYet, for a server that has an
  // address before it has a job: calls wait until Listener::serve() tells it.
  size_t max_message_bytes = kAnySize;
  // Told why new connections have to wait, and nothing when they no longer do; from a thread of the
  // transport's, until the listener is destroyed.
  std::function<void(const std::string& why)> on_full{};
};

// Listens for a service until it is destroyed: the service gets no more calls then, and those that
// it has not answered are cut off after half a second. It may still answer them.
class Listener {
 public:
  virtual ~Listener() = default;
  // Where it listens, with the port that the system chose when port 0 was asked for.
  virtual const std::string& address() const = 0;
  // For people: with the addresses that a name stands for.
  virtual std::string description() const { return address(); }
  // Takes calls from now on. Once, and only when opened with kNotKnownYet. INTERNAL: the transport
  // cannot.
  virtual Status serve(size_t max_message_bytes) = 0;
};

// Where buffers come from whose contents are sent. Between processes of one host the transport may
// let the receiver read them where they are: then what is sent in them is not to be written to
// before the payload's owner has been let go of. They share no page with anything else.
struct BufferSource {
  std::function<std::unique_ptr<core::AlignedBuffer>(size_t floats)> make = [](size_t floats) {
    return std::make_unique<core::AlignedBuffer>(core::AlignedBuffer::of_whole_pages(floats));
  };
  // Before another one is made: others may have done with some. May be empty.
  std::function<void()> reclaim{};
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual BufferSource buffers() { return {}; }

  // `service` must outlive the listener. UNAVAILABLE: the address is in use; INVALID_ARGUMENT: it
  // is none, or not this host's. The message says what to do.
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                   ParameterService* service,
                                                   const ListenOptions& options) = 0;
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                   ControlService* service) = 0;

  // Never fails and never waits: the first call finds out who is there.
  virtual std::shared_ptr<ParameterChannel> connect_parameters(const std::string& address) = 0;
  virtual std::shared_ptr<ControlChannel> connect_control(const std::string& address) = 0;
};

}  // namespace sluice::wire
