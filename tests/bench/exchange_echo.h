// The yardstick of the exchange benchmark: a bare gRPC echo of raw bytes, nothing parsed or copied.
// Unary calls on a completion queue, at both ends.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace sluice::bench {

class EchoServer {
 public:
  virtual ~EchoServer() = default;
  virtual const std::string& address() const = 0;
};
// `address`: "127.0.0.1:0" or "unix:/path". Throws std::runtime_error when it cannot listen.
std::unique_ptr<EchoServer> start_echo_server(const std::string& address);

class EchoClient {
 public:
  virtual ~EchoClient() = default;
  // Sends the bytes in `messages` equal messages, all at once, and waits until all have come back.
  // Throws std::runtime_error when one does not.
  virtual void echo(std::span<const std::byte> bytes, int messages) = 0;
};
std::unique_ptr<EchoClient> connect_echo(const std::string& address);

}  // namespace sluice::bench
