// A socket that listens: connections wait in the kernel until somebody accepts them. Internal.
#pragma once

#include <memory>
#include <string>

#include "sluice/status.h"
#include "transport/grpc/descriptor.h"
#include "transport/grpc/socket_address.h"

namespace sluice::transport {

class ListeningSocket {
 public:
  // "HOST:PORT", "[IPV6]:PORT" and "unix:/path". Of a host's addresses the first is taken; 0.0.0.0
  // and [::] stand for all of this host's, of both kinds. A socket file that nobody listens on any
  // more is replaced. INVALID_ARGUMENT: not an address. UNAVAILABLE says what to do.
  static Result<ListeningSocket> open(const std::string& address);

  // As it was given, with the real port.
  const std::string& address() const { return address_; }
  // Does not block.
  int descriptor() const { return socket_.get(); }

 private:
  ListeningSocket(std::string address, Descriptor socket, std::unique_ptr<SocketFile> file)
      : address_(std::move(address)), file_(std::move(file)), socket_(std::move(socket)) {}

  static Result<ListeningSocket> open_unix(const SocketAddress& address);
  static Result<ListeningSocket> open_tcp(const SocketAddress& address);

  std::string address_;
  std::unique_ptr<SocketFile> file_;  // removed when nobody listens any more
  Descriptor socket_;
};

}  // namespace sluice::transport
