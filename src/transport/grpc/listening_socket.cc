#include "transport/grpc/listening_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace sluice::transport {
namespace {

constexpr int kSocketFlags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Status cannot_listen(const SocketAddress& address, const std::string& why) {
  return unavailable("cannot listen on " + address.to_string() + ": " + why);
}

Status cannot_listen(const SocketAddress& address, int error) {
  switch (error) {
    case EADDRINUSE:
      return cannot_listen(address,
                           "the port is in use; choose another with --listen, or port 0 for any");
    case EADDRNOTAVAIL:
      return cannot_listen(address,
                           "it is not an address of this host; 0.0.0.0 stands for all of them");
    case EACCES:
      return cannot_listen(address,
                           "ports below 1024 need privileges; choose another with --listen, or "
                           "port 0 for any");
    default:
      return cannot_listen(address, std::strerror(error));
  }
}

sockaddr_un name_of(const SocketAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.path.c_str(), address.path.size() + 1);
  return name;
}

const sockaddr* generic(const sockaddr_un& name) {
  return reinterpret_cast<const sockaddr*>(&name);
}

// Removes a socket file that nobody listens on.
Status make_way(const SocketAddress& address) {
  struct stat info {};
  if (::lstat(address.path.c_str(), &info) != 0) return ok_status();
  if (!S_ISSOCK(info.st_mode)) {
    return cannot_listen(address, "there is a file of that name; choose another path");
  }
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un name = name_of(address);
  // EAGAIN: somebody listens, and has no room for more.
  if (::connect(probe.get(), generic(name), sizeof name) == 0 || errno == EAGAIN) {
    return cannot_listen(address, "the socket is in use; choose another path");
  }
  ::unlink(address.path.c_str());
  return ok_status();
}

// The host's first address.
Result<AddressList> look_up(const SocketAddress& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error == 0) return AddressList(found, &freeaddrinfo);
  return cannot_listen(address,
                       "there is no host " + address.host + " (" + ::gai_strerror(error) + ")");
}

Descriptor open_socket(int family) {
  Descriptor socket(::socket(family, kSocketFlags, 0));
  const int on = 1;
  const int off = 0;
  // Connections of an earlier listener that are still closing do not count.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  return socket;
}

// 0: listens.
int bind_and_listen(const Descriptor& socket, const sockaddr* name, socklen_t size) {
  if (!socket.valid() || ::bind(socket.get(), name, size) != 0) return errno;
  return ::listen(socket.get(), SOMAXCONN) == 0 ? 0 : errno;
}

// All addresses of both kinds; not valid: this host has no IPv6, or the port is not free there.
Descriptor listen_everywhere(int port) {
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_addr = in6addr_any;
  name.sin6_port = htons(static_cast<uint16_t>(port));
  Descriptor socket = open_socket(AF_INET6);
  const int error = bind_and_listen(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  return error == 0 ? std::move(socket) : Descriptor();
}

bool is_any_ipv4(const addrinfo& info) {
  return info.ai_family == AF_INET &&
         reinterpret_cast<const sockaddr_in*>(info.ai_addr)->sin_addr.s_addr == INADDR_ANY;
}

int port_of(const Descriptor& socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<sockaddr_in&>(name).sin_port);
}

}  // namespace

Result<ListeningSocket> ListeningSocket::open(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(const SocketAddress address, parse_address(text));
  return address.is_unix() ? open_unix(address) : open_tcp(address);
}

Result<ListeningSocket> ListeningSocket::open_unix(const SocketAddress& address) {
  SLUICE_RETURN_IF_ERROR(make_way(address));
  Descriptor socket(::socket(AF_UNIX, kSocketFlags, 0));
  const sockaddr_un name = name_of(address);
  const int error = bind_and_listen(socket, generic(name), sizeof name);
  if (error == EADDRINUSE) {
    return cannot_listen(address, "the socket is in use; choose another path");
  }
  if (error != 0) {
    const std::string directory = address.path.substr(0, address.path.rfind('/') + 1);
    return cannot_listen(address, directory + ": " + std::strerror(error));
  }
  return ListeningSocket(address.to_string(), std::move(socket),
                         std::make_unique<SocketFile>(address));
}

Result<ListeningSocket> ListeningSocket::open_tcp(const SocketAddress& address) {
  SLUICE_ASSIGN_OR_RETURN(const AddressList first, look_up(address));
  Descriptor socket;
  if (is_any_ipv4(*first)) socket = listen_everywhere(address.port);
  if (!socket.valid()) {
    socket = open_socket(first->ai_family);
    const int error = bind_and_listen(socket, first->ai_addr, first->ai_addrlen);
    if (error != 0) return cannot_listen(address, error);
  }
  SocketAddress bound = address;
  bound.port = port_of(socket);
  return ListeningSocket(bound.to_string(), std::move(socket), nullptr);
}

}  // namespace sluice::transport
