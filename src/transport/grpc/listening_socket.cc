#include "transport/grpc/listening_socket.h"

#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::transport {
namespace {

constexpr int kSocketFlags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

std::string cannot_listen(const SocketAddress& address, const std::string& why) {
  return fmt::format("cannot listen on {}: {}", address.to_string(), why);
}

// An address that is right, and cannot be had now.
Status not_now(const SocketAddress& address, const std::string& why) {
  return unavailable(cannot_listen(address, why));
}

// An address that is wrong on this host, whenever it is asked for.
Status wrong_address(const SocketAddress& address, const std::string& why) {
  return invalid_argument(cannot_listen(address, why));
}

Status status_of(const SocketAddress& address, int error) {
  switch (error) {
    case EADDRINUSE:
      return not_now(address,
                     "the port is in use; choose another with --listen, or port 0 for any");
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return wrong_address(address,
                           "it is not an address of this host; 0.0.0.0 stands for all of them");
    case EACCES:
      return wrong_address(address,
                           "ports below 1024 need privileges; choose another with --listen, or "
                           "port 0 for any");
    default:
      return unavailable(cannot_listen(address, std::strerror(error)));
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
    return wrong_address(address, "there is a file of that name; choose another path");
  }
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un name = name_of(address);
  // EAGAIN: somebody listens, and has no room for more.
  if (::connect(probe.get(), generic(name), sizeof name) == 0 || errno == EAGAIN) {
    return not_now(address, "the socket is in use; choose another path");
  }
  ::unlink(address.path.c_str());
  return ok_status();
}

Result<AddressList> look_up(const SocketAddress& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error == 0) return AddressList(found, &freeaddrinfo);
  return wrong_address(
      address, fmt::format("there is no host {} ({}); 0.0.0.0 stands for all addresses of this one",
                           address.host, ::gai_strerror(error)));
}

// `only_ipv6`: beside one for IPv4.
Descriptor open_socket(int family, bool only_ipv6 = false) {
  Descriptor socket(::socket(family, kSocketFlags, 0));
  const int on = 1;
  const int v6_only = only_ipv6 ? 1 : 0;
  // Connections of an earlier listener that are still closing do not count.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
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

in_port_t& port_in(sockaddr& name) {
  return name.sa_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                    : reinterpret_cast<sockaddr_in&>(name).sin_port;
}

int port_of(const Descriptor& socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(port_in(reinterpret_cast<sockaddr&>(name)));
}

std::string numeric(const addrinfo& info) {
  char text[NI_MAXHOST] = "";
  ::getnameinfo(info.ai_addr, info.ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

// A machine's name may stand for an address that it has given up, or for a kind that it has none
// of: the others do.
bool is_nobodys(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

struct Sockets {
  std::vector<Descriptor> open;
  std::vector<std::string> hosts;  // numeric
  int error = 0;                   // of an address that cannot be listened at, and should be
};

// All addresses of a name, at one port: the one that is asked for or that the first one got.
Sockets listen_at_each(const addrinfo* first, int port) {
  Sockets sockets;
  int nobodys = 0;
  for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
    const std::string host = numeric(*info);
    if (std::find(sockets.hosts.begin(), sockets.hosts.end(), host) != sockets.hosts.end()) {
      continue;
    }
    port_in(*info->ai_addr) = htons(static_cast<uint16_t>(port));
    Descriptor socket = open_socket(info->ai_family, info->ai_next != nullptr || info != first);
    const int error = bind_and_listen(socket, info->ai_addr, info->ai_addrlen);
    if (is_nobodys(error)) {
      nobodys = error;
    } else if (error != 0) {
      sockets.error = error;
      return sockets;
    } else {
      port = port_of(socket);
      sockets.open.push_back(std::move(socket));
      sockets.hosts.push_back(host);
    }
  }
  if (sockets.open.empty()) sockets.error = nobodys;
  return sockets;
}

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

std::string described(const SocketAddress& bound, const std::vector<std::string>& hosts) {
  std::string text = bound.to_string();
  if (hosts.empty() || (hosts.size() == 1 && hosts.front() == bound.host)) return text;
  for (size_t i = 0; i < hosts.size(); ++i) {
    text += (i == 0 ? " (" : i + 1 < hosts.size() ? ", " : " and ") + hosts[i];
  }
  // Debian gives a host's own name such an address.
  const bool own =
      bound.host != "localhost" && std::all_of(hosts.begin(), hosts.end(), is_loopback);
  return text + (own ? ", which only this host reaches)" : ")");
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
    return not_now(address, "the socket is in use; choose another path");
  }
  if (error != 0) {
    const std::string directory = address.path.substr(0, address.path.rfind('/') + 1);
    return wrong_address(address, fmt::format("{}: {}; the folder must be there and writable",
                                              directory, std::strerror(error)));
  }
  std::vector<Descriptor> sockets;
  sockets.push_back(std::move(socket));
  return ListeningSocket(address.to_string(), address.to_string(), std::move(sockets),
                         std::make_unique<SocketFile>(address));
}

Result<ListeningSocket> ListeningSocket::open_tcp(const SocketAddress& address) {
  SLUICE_ASSIGN_OR_RETURN(const AddressList first, look_up(address));
  Sockets sockets;
  if (is_any_ipv4(*first)) {
    Descriptor everywhere = listen_everywhere(address.port);
    if (everywhere.valid()) sockets.open.push_back(std::move(everywhere));
  }
  // The port that the first address got may be in use at another: then any other will do.
  for (int tries = address.port == 0 ? 8 : 1; sockets.open.empty() && tries > 0; --tries) {
    sockets = listen_at_each(first.get(), address.port);
    if (sockets.error != 0) sockets.open.clear();
    if (sockets.error != EADDRINUSE) break;
  }
  if (sockets.open.empty()) return status_of(address, sockets.error);
  SocketAddress bound = address;
  bound.port = port_of(sockets.open.front());
  return ListeningSocket(bound.to_string(), described(bound, sockets.hosts),
                         std::move(sockets.open), nullptr);
}

}  // namespace sluice::transport
