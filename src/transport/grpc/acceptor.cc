#include "transport/grpc/acceptor.h"

#include <fmt/core.h>
#include <grpcpp/server_posix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/log.h"
#include "transport/grpc/endpoint.h"

namespace sluice::transport {
namespace {

constexpr int kPauseMilliseconds = 100;
// However many descriptors there may be: a job has fewer members.
constexpr size_t kMostConnections = 8192;

// What one connection ran into; the next may do better.
bool is_the_connections(int error) {
  return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
         error == ENETDOWN || error == ENETUNREACH || error == EHOSTDOWN || error == EHOSTUNREACH;
}

// 0: there is no such descriptor.
uint64_t inode_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
}

size_t most_connections() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::min<size_t>(limit.rlim_cur - limit.rlim_cur / 4, kMostConnections);
}

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::start(const ListeningSocket& socket,
                                                  ::grpc::Server& server,
                                                  std::function<void(const std::string&)> on_full) {
  Descriptor stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) {
    return Status(StatusCode::kResourceExhausted,
                  fmt::format("cannot listen on {}: {}", socket.address(), std::strerror(errno)));
  }
  return std::unique_ptr<Acceptor>(
      new Acceptor(socket, server, std::move(stop), std::move(on_full)));
}

Acceptor::Acceptor(const ListeningSocket& socket, ::grpc::Server& server, Descriptor stop,
                   std::function<void(const std::string&)> on_full)
    : socket_(socket),
      server_(server),
      stop_(std::move(stop)),
      on_full_(std::move(on_full)),
      thread_([this] { run(); }) {}

Acceptor::~Acceptor() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Acceptor::run() {
  while (wait(next_wait_)) {
    next_wait_ = Wait::kForConnections;
    accept_all();
  }
}

// False: it is time to end.
bool Acceptor::wait(Wait what) {
  std::vector<pollfd> files = {{stop_.get(), POLLIN, 0}};
  for (const Descriptor& socket : socket_.descriptors()) {
    files.push_back({socket.get(), POLLIN, 0});
  }
  const bool paused = what == Wait::kForDescriptors;
  ::poll(files.data(), paused ? 1 : files.size(), paused ? kPauseMilliseconds : -1);
  return files[0].revents == 0;
}

void Acceptor::accept_all() {
  for (const Descriptor& socket : socket_.descriptors()) {
    if (!accept_all(socket)) return;
  }
  if (std::exchange(told_, false) && on_full_) on_full_("");
}

// False: the others have to wait.
bool Acceptor::accept_all(const Descriptor& socket) {
  while (has_room()) {
    Descriptor connection(::accept4(socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.valid()) {
      add(std::move(connection));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (!is_the_connections(errno)) {
      pause(std::strerror(errno));
      return false;
    }
  }
  return false;
}

void Acceptor::add(Descriptor connection) {
  const int on = 1;
  // As gRPC's own listener does. Both fail on a Unix socket, which needs neither.
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kSilenceMilliseconds,
               sizeof kSilenceMilliseconds);
  connections_.push_back({connection.get(), inode_of(connection.get())});
  ::grpc::AddInsecureChannelFromFd(&server_, connection.release());
}

bool Acceptor::has_room() {
  std::erase_if(connections_, [](const Connection& c) { return inode_of(c.fd) != c.inode; });
  if (connections_.size() < most_connections()) return true;
  pause("three quarters of the open files that the process may have are connections");
  return false;
}

void Acceptor::pause(const char* why) {
  next_wait_ = Wait::kForDescriptors;
  if (told_) return;
  told_ = true;
  SLUICE_LOG(warn, "{}: new connections have to wait: {}; raise the limit with ulimit -n",
             socket_.address(), why);
  if (on_full_) on_full_(why);
}

}  // namespace sluice::transport
