#include "memory/door.h"

#include <fmt/core.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "core/log.h"
#include "core/process_info.h"
#include "core/rng.h"
#include "memory/message.h"

namespace sluice::memory {
namespace {

constexpr int kPauseMilliseconds = 100;
constexpr uint32_t kAnything = EPOLLIN | EPOLLRDHUP;

Status cannot_open(int error) {
  const bool full = error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
  return {full ? StatusCode::kResourceExhausted : StatusCode::kFailedPrecondition,
          fmt::format("cannot open a door for workers of this host: {}", std::strerror(error))};
}

}  // namespace

Result<std::unique_ptr<Door>> Door::open(std::shared_ptr<Segments> own,
                                         const DoorOptions& options) {
  // Whether there are segments, too.
  SLUICE_RETURN_IF_ERROR(Segment::make(kWordSegment).status());
  Doorplate plate{
      core::boot_id(),
      fmt::format("sluice-{:016x}{:016x}", core::unique_number(), core::unique_number()),
      {core::unique_number(), core::unique_number()}};
  core::Descriptor socket = listen_at(plate.name);
  core::Descriptor events(::epoll_create1(EPOLL_CLOEXEC));
  core::Descriptor stop(::eventfd(0, EFD_CLOEXEC));
  if (!socket.valid() || !events.valid() || !stop.valid()) return cannot_open(errno);
  std::unique_ptr<Door> door(new Door(std::move(own), options, std::move(plate), std::move(socket),
                                      std::move(events), std::move(stop)));
  if (!door->watch(door->socket_.get(), EPOLLIN, EPOLL_CTL_ADD) ||
      !door->watch(door->stop_.get(), EPOLLIN, EPOLL_CTL_ADD)) {
    return cannot_open(errno);
  }
  door->thread_ = std::thread([door = door.get()] { door->run(); });
  pthread_setname_np(door->thread_.native_handle(), "door");
  return door;
}

Door::Door(std::shared_ptr<Segments> own, const DoorOptions& options, Doorplate plate,
           core::Descriptor socket, core::Descriptor events, core::Descriptor stop)
    : own_(std::move(own)),
      options_(options),
      plate_(std::move(plate)),
      socket_(std::move(socket)),
      events_(std::move(events)),
      stop_(std::move(stop)) {}

Door::~Door() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  for (const auto& [token, guest] : guests_) guest->leave();
}

std::shared_ptr<Guest> Door::find(uint64_t token) const {
  std::lock_guard lock(mutex_);
  const auto it = guests_.find(token);
  return it == guests_.end() ? nullptr : it->second;
}

size_t Door::guests() const {
  std::lock_guard lock(mutex_);
  return guests_.size();
}

void Door::release() {
  std::vector<std::shared_ptr<Guest>> guests;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [token, guest] : guests_) guests.push_back(guest);
  }
  for (const auto& guest : guests) guest->release();
}

void Door::run() {
  std::array<epoll_event, 64> happened;
  for (;;) {
    const int count =
        ::epoll_wait(events_.get(), happened.data(), happened.size(), milliseconds_to_wait());
    if (paused_) paused_ = !watch(socket_.get(), EPOLLIN, EPOLL_CTL_MOD);
    for (int i = 0; i < count; ++i) {
      const int fd = happened[static_cast<size_t>(i)].data.fd;
      if (fd == stop_.get()) return;
      if (fd == socket_.get()) {
        accept_all();
      } else if (strangers_.contains(fd)) {
        read_hello(fd);
      } else if (const auto it = tokens_.find(fd); it != tokens_.end()) {
        if (const Status status = find(it->second)->receive(); !status.ok()) {
          SLUICE_LOG(debug, "a worker of this host {}", status.message());
          forget(fd);
        }
      }
    }
    const core::TimePoint now = core::steady_now();
    std::erase_if(strangers_, [now](const auto& entry) { return entry.second.until <= now; });
  }
}

// Until something comes; -1: for as long as it takes.
int Door::milliseconds_to_wait() {
  if (paused_) return kPauseMilliseconds;
  if (strangers_.empty()) return -1;
  core::TimePoint first = core::TimePoint::max();
  for (const auto& [fd, stranger] : strangers_) first = std::min(first, stranger.until);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - core::steady_now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
}

void Door::accept_all() {
  for (size_t i = 0; i < options_.strangers; ++i) {
    core::Descriptor socket(
        ::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      const int error = errno;
      if (error == EAGAIN || error == EINTR || error == ECONNABORTED) return;
      // Out of descriptors, or of memory: whoever waits goes on waiting.
      paused_ = watch(socket_.get(), 0, EPOLL_CTL_MOD);
      return;
    }
    if (user_of(socket.get()) != ::geteuid()) continue;
    if (strangers_.size() >= options_.strangers) {
      strangers_.erase(std::min_element(
          strangers_.begin(), strangers_.end(),
          [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
    }
    const int fd = socket.get();
    if (!watch(fd, kAnything, EPOLL_CTL_ADD)) continue;
    strangers_[fd] = {std::move(socket), core::steady_now() + options_.patience};
    read_hello(fd);  // which has come already, as a rule
  }
}

void Door::read_hello(int fd) {
  const auto it = strangers_.find(fd);
  auto received = receive(fd);
  if (received.ok() && !*received) return;
  core::Descriptor socket = std::move(it->second.socket);
  strangers_.erase(it);
  if (received.ok()) let_in(**std::move(received), std::move(socket));
}

void Door::let_in(Received hello, core::Descriptor socket) {
  const auto& [kind, key0, key1, token] = hello.message;
  if (kind != Kind::kHello || key0 != plate_.key[0] || key1 != plate_.key[1]) return;
  auto word = map_word(hello);
  if (!word.ok()) return;
  const int fd = socket.get();
  std::lock_guard lock(mutex_);  // whoever is welcome may be asked for at once
  if (guests_.size() >= options_.guests || guests_.contains(token)) return;
  auto guest = Guest::welcome(std::move(socket), *std::move(word), own_, options_.bounds);
  if (!guest.ok()) return;
  tokens_[fd] = token;
  guests_[token] = *std::move(guest);
}

// Its socket stays open as long as somebody has the guest.
void Door::forget(int fd) {
  const auto it = tokens_.find(fd);
  watch(fd, 0, EPOLL_CTL_DEL);
  std::shared_ptr<Guest> guest = find(it->second);
  {
    std::lock_guard lock(mutex_);
    guests_.erase(it->second);
  }
  tokens_.erase(it);
  guest->leave();
}

bool Door::watch(int fd, uint32_t events, int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(events_.get(), operation, fd, &event) == 0;
}

}  // namespace sluice::memory
