// A socket that listens: connections wait in the kernel until somebody accepts them. Internal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "sluice/status.h"
#include "transport/grpc/socket_address.h"

namespace sluice::transport {

using core::Descriptor;

class ListeningSocket {
 public:
  // "HOST:PORT", "[IPV6]:PORT" and "unix:/path". A name stands for all of its addresses that this
  // host has; 0.0.0.0 and [::] for all of this host's, of both kinds. A socket file that nobody
  // listens on any more is replaced. INVALID_ARGUMENT: not an address, or none of this host's.
  // UNAVAILABLE: in use. Both say what to do.
  static Result<ListeningSocket> open(const std::string& address);

  // As it was given, with the real port.
  const std::string& address() const { return address_; }
  // For people, with what a name stands for: "localhost:7070 (127.0.0.1 and ::1)".
  const std::string& description() const { return description_; }
  // At least one; they do not block.
  const std::vector<Descriptor>& descriptors() const { return sockets_; }

 private:
  ListeningSocket(std::string address, std::string description, std::vector<Descriptor> sockets,
                  std::unique_ptr<SocketFile> file)
      : address_(std::move(address)),
        description_(std::move(description)),
        file_(std::move(file)),
        sockets_(std::move(sockets)) {}

  static Result<ListeningSocket> open_unix(const SocketAddress& address);
  static Result<ListeningSocket> open_tcp(const SocketAddress& address);

  std::string address_;
  std::string description_;
  std::unique_ptr<SocketFile> file_;  // removed when nobody listens any more
  std::vector<Descriptor> sockets_;
};

}  // namespace sluice::transport
