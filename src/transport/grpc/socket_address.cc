#include "transport/grpc/socket_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace sluice::transport {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// Closes a file descriptor.
struct Descriptor {
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

Result<SocketAddress> parse_unix(const std::string& text) {
  SocketAddress address;
  address.path = text.substr(kUnixPrefix.size());
  if (address.path.empty() || address.path.front() != '/') {
    return invalid_argument("address \"" + text + "\": expected unix:/PATH with an absolute path");
  }
  if (address.path.size() > kLongestPath) {
    return invalid_argument("address \"" + text + "\": a Unix socket's path has at most " +
                            std::to_string(kLongestPath) + " characters, this one has " +
                            std::to_string(address.path.size()) + "; use a shorter directory");
  }
  return address;
}

AddressList look_up(const SocketAddress& address, int flags, int& error) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  return {found, &freeaddrinfo};
}

Status cannot_listen(const SocketAddress& address, const std::string& why) {
  return unavailable("cannot listen on " + address.to_string() + ": " + why);
}

Status check_unix_free(const SocketAddress& address) {
  struct stat info {};
  const bool exists = ::lstat(address.path.c_str(), &info) == 0;
  if (exists && !S_ISSOCK(info.st_mode)) {
    return cannot_listen(address, "there is a file of that name; choose another path");
  }
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.path.c_str(), address.path.size() + 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&name);
  if (exists && ::connect(socket.fd, generic, sizeof name) == 0) {
    return cannot_listen(address, "the socket is in use; choose another path");
  }
  const std::string directory = address.path.substr(0, address.path.rfind('/') + 1);
  if (::access(directory.c_str(), W_OK) != 0) {
    return cannot_listen(address, directory + ": " + std::strerror(errno));
  }
  return ok_status();
}

std::string bind_problem(int error) {
  switch (error) {
    case EADDRINUSE:
      return "the port is in use; choose another with --listen, or port 0 for any";
    case EADDRNOTAVAIL:
      return "it is not an address of this host; 0.0.0.0 stands for all of them";
    case EACCES:
      return "ports below 1024 need privileges; choose another with --listen, or port 0 for any";
    default:
      return std::strerror(error);
  }
}

}  // namespace

std::string SocketAddress::to_string() const {
  if (is_unix()) return std::string(kUnixPrefix) + path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<SocketAddress> parse_address(const std::string& text) {
  if (text.starts_with(kUnixPrefix)) return parse_unix(text);
  const Status malformed =
      invalid_argument("address \"" + text + "\": expected HOST:PORT, [IPV6]:PORT or unix:/PATH");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return malformed;
  SocketAddress address;
  address.host = text.substr(0, colon);
  if (address.host.front() == '[') {
    if (address.host.size() < 3 || address.host.back() != ']') return malformed;
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return malformed;
  }
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || rest != end || address.port < 0 || address.port > 65535) {
    return malformed;
  }
  return address;
}

Result<SocketAddress> resolve(const SocketAddress& address) {
  if (address.is_unix()) return address;
  int error = 0;
  const AddressList list = look_up(address, AI_PASSIVE, error);
  if (error != 0) {
    return cannot_listen(address,
                         "there is no host " + address.host + " (" + ::gai_strerror(error) + ")");
  }
  char host[NI_MAXHOST];
  error =
      ::getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  if (error != 0) return cannot_listen(address, ::gai_strerror(error));
  SocketAddress resolved = address;
  resolved.host = host;
  return resolved;
}

Status check_free(const SocketAddress& address) {
  if (address.is_unix()) return check_unix_free(address);
  int error = 0;
  const AddressList list = look_up(address, AI_PASSIVE | AI_NUMERICHOST, error);
  if (error != 0) return cannot_listen(address, ::gai_strerror(error));
  const Descriptor socket(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.fd < 0) return cannot_listen(address, std::strerror(errno));
  const int on = 1;
  // As gRPC does: connections of an earlier listener that are still closing do not count.
  ::setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.fd, list->ai_addr, list->ai_addrlen) != 0) {
    return cannot_listen(address, bind_problem(errno));
  }
  return ok_status();
}

SocketFile::SocketFile(const SocketAddress& address) : path_(address.path) {
  struct stat info {};
  if (path_.empty() || ::lstat(path_.c_str(), &info) != 0) return;
  device_ = info.st_dev;
  inode_ = info.st_ino;
}

SocketFile::~SocketFile() {
  if (!path_.empty() && same_file()) ::unlink(path_.c_str());
}

bool SocketFile::same_file() const {
  struct stat info {};
  return ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

}  // namespace sluice::transport
