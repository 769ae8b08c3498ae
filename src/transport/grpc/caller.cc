#include "transport/grpc/caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

namespace sluice::transport {
namespace {

// What reaches a listener of both kinds over IPv4 is written as such.
std::string text_of(const sockaddr_storage& name) {
  char text[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &name, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (name.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &name, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
  }
  return text;
}

template <typename Ask>
std::string end_of(int connection, Ask ask) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  return ask(connection, reinterpret_cast<sockaddr*>(&name), &size) == 0 ? text_of(name) : "";
}

}  // namespace

// gRPC names a connection that it was given by its descriptor, "fd:12", which is open as long as
// the connection is.
Caller caller_of(const ::grpc::ServerContext& call) {
  const std::string peer = call.peer();
  constexpr size_t kPrefix = 3;
  int connection = -1;
  if (!peer.starts_with("fd:")) return {};
  const char* end = peer.data() + peer.size();
  if (std::from_chars(peer.data() + kPrefix, end, connection).ec != std::errc()) return {};
  return {end_of(connection, ::getpeername), end_of(connection, ::getsockname)};
}

}  // namespace sluice::transport
