#include "transport/grpc/socket_address.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>

namespace sluice::transport {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

Result<SocketAddress> parse_unix(const std::string& text) {
  SocketAddress address;
  address.path = text.substr(kUnixPrefix.size());
  if (address.path.empty() || address.path.front() != '/') {
    return invalid_argument(
        fmt::format("address \"{}\": expected unix:/PATH with an absolute path", text));
  }
  if (address.path.size() > kLongestPath) {
    return invalid_argument(
        fmt::format("address \"{}\": a Unix socket's path has at most {} characters, this one has "
                    "{}; use a shorter directory",
                    text, kLongestPath, address.path.size()));
  }
  return address;
}

}  // namespace

std::string SocketAddress::to_string() const {
  if (is_unix()) return std::string(kUnixPrefix) + path;
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}:{}", v6 ? "[" + host + "]" : host, port);
}

Result<SocketAddress> parse_address(const std::string& text) {
  if (text.starts_with(kUnixPrefix)) return parse_unix(text);
  const Status malformed = invalid_argument(
      fmt::format("address \"{}\": expected HOST:PORT, [IPV6]:PORT or unix:/PATH", text));
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
