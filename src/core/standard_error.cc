#include "core/standard_error.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <string>

#include "core/blocked_signal.h"

namespace sluice::core {
namespace {

bool has_room() {
  pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&standard_error, 1, 0) > 0 && standard_error.revents == POLLOUT;
}

// Other processes have the same pipe or terminal for their standard error, and must not find it
// changed: it is opened once more, to be written to without waiting. Bytes written, or negative.
// A pipe takes a line whole or not at all; a terminal would take its beginning.
ssize_t write_to_what_can_fill(std::string_view text, bool is_terminal) {
  const int fd = ::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 && errno == ENXIO) return -1;  // nobody reads
  if ((fd < 0 || is_terminal) && !has_room()) {
    if (fd >= 0) ::close(fd);
    errno = EAGAIN;
    return -1;
  }
  const ssize_t written = ::write(fd < 0 ? STDERR_FILENO : fd, text.data(), text.size());
  if (fd >= 0) ::close(fd);
  return written;
}

// As much as there is room for.
size_t write_some(std::string_view text) {
  const BlockedSignal reader_has_gone(SIGPIPE), limit_on_file_sizes(SIGXFSZ);
  struct stat there {};
  if (::fstat(STDERR_FILENO, &there) != 0) return 0;
  ssize_t written = 0;
  do {
    if (S_ISFIFO(there.st_mode) || S_ISCHR(there.st_mode)) {
      written = write_to_what_can_fill(text, S_ISCHR(there.st_mode));
    } else if (S_ISSOCK(there.st_mode)) {
      written = ::send(STDERR_FILENO, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      written = ::write(STDERR_FILENO, text.data(), text.size());
    }
  } while (written < 0 && errno == EINTR);
  return written > 0 ? static_cast<size_t>(written) : 0;
}

// What there was no room for. Left to the process's very end: last words come late.
struct Lost {
  std::mutex mutex;
  int64_t lines = 0;  // guarded by mutex
  bool torn = false;  // the last line ends in its middle; guarded by mutex
};
Lost& lost() {
  static auto* const lost = new Lost;
  return *lost;
}

// With the lock.
bool write_whole(std::string_view text) {
  const size_t size = text.size();
  while (!text.empty()) {
    const size_t written = write_some(text);
    text.remove_prefix(written);
    if (written > 0) continue;
    lost().torn = lost().torn || text.size() < size;
    return false;
  }
  return true;
}

}  // namespace

void write_to_standard_error(std::string_view text) {
  std::lock_guard lock(lost().mutex);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  if (lost().lines > 0) {
    const std::string told =
        fmt::format("{}{} lines were lost here: standard error was not read)\n",
                    lost().torn ? "\n(" : "(", lost().lines);
    if (!write_whole(told)) {
      lost().lines += lines;
      return;
    }
    lost().lines = 0;
    lost().torn = false;
  }
  if (!write_whole(text)) lost().lines += lines;
}

}  // namespace sluice::core
