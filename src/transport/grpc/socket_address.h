// The addresses that the gRPC transport takes: "HOST:PORT", "[IPV6]:PORT" and "unix:/path".
#pragma once

#include <cstdint>
#include <string>

#include "sluice/status.h"

namespace sluice::transport {

struct SocketAddress {
  std::string host;  // without brackets; empty for a Unix socket
  int port = 0;
  std::string path;  // of the Unix socket; empty otherwise

  bool is_unix() const { return !path.empty(); }
  std::string to_string() const;
};

// INVALID_ARGUMENT says what is wrong with the text.
Result<SocketAddress> parse_address(const std::string& text);

// Removes the socket file of a listener when it goes out of scope, unless the file has been
// replaced by another listener's. Does nothing for a TCP address.
class SocketFile {
 public:
  explicit SocketFile(const SocketAddress& address);
  ~SocketFile();
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

 private:
  bool same_file() const;

  const std::string path_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

}  // namespace sluice::transport
