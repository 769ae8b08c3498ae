#include "memory/message.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace sluice::memory {
namespace {

// Room for one descriptor, as the kernel counts: it closes any others, and says so. (CMSG_SPACE,
// which rounds up, has room for two.)
constexpr size_t kControlBytes = CMSG_LEN(sizeof(int));

struct alignas(cmsghdr) Control {
  char bytes[CMSG_SPACE(sizeof(int))] = {};
};

msghdr header_of(iovec& bytes) {
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  return header;
}

core::Descriptor new_socket() {
  return core::Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int at_name(int (*call)(int, const sockaddr*, socklen_t), int socket, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const size_t size = offsetof(sockaddr_un, sun_path) + 1 + length;
  return call(socket, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
}

}  // namespace

core::Descriptor listen_at(const std::string& name) {
  core::Descriptor socket = new_socket();
  const int fd = socket.get();
  const bool ok = fd >= 0 && at_name(::bind, fd, name) == 0 && ::listen(fd, SOMAXCONN) == 0;
  return ok ? std::move(socket) : core::Descriptor();
}

core::Descriptor connect_to(const std::string& name) {
  core::Descriptor socket = new_socket();
  const bool ok = socket.valid() && at_name(::connect, socket.get(), name) == 0;
  return ok ? std::move(socket) : core::Descriptor();
}

std::optional<uint32_t> user_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

bool send(int socket, const Message& message, int fd) {
  iovec bytes{const_cast<Message*>(&message), sizeof message};
  msghdr header = header_of(bytes);
  Control control;
  if (fd >= 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = kControlBytes;
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = kControlBytes;
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == sizeof message;
}

Result<std::optional<Received>> receive(int socket) {
  Received received;
  iovec bytes{&received.message, sizeof received.message};
  msghdr header = header_of(bytes);
  Control control;
  header.msg_control = control.bytes;
  header.msg_controllen = kControlBytes;
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::optional<Received>();
  if (size <= 0) return unavailable("has hung up");
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    const bool has_one = part->cmsg_len >= kControlBytes;
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || !has_one) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    received.fd = core::Descriptor(fd);
  }
  if (size != sizeof(Message) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return invalid_argument("sent what is no message");
  }
  return std::optional(std::move(received));
}

}  // namespace sluice::memory
