#include "core/file_io.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/blocked_signal.h"
#include "core/log.h"

namespace sluice::core {
namespace {

StatusCode code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return StatusCode::kResourceExhausted;
    default:
      return StatusCode::kUnknown;
  }
}

// What read_file() reads before it asks how much it may read.
constexpr size_t kFirstBytes = 4096;
constexpr int kSilenceMilliseconds = 2000;

// A file while it is read, from front to back.
class Reading {
 public:
  Reading(int fd, const std::string& path) : fd_(fd), path_(path) {}
  Reading(const Reading&) = delete;
  ~Reading() {
    if (fd_ >= 0) ::close(fd_);
  }

  int fd() const { return fd_; }
  int64_t size() const {  // 0 of what has none
    struct stat info {};
    return ::fstat(fd_, &info) == 0 ? info.st_size : 0;
  }

  // Reads from `size` on until `bytes` is full or the file has ended, and counts `size` up.
  Status fill(std::string& bytes, size_t& size) const {
    while (size < bytes.size()) {
      wait();
      const ssize_t n = ::read(fd_, bytes.data() + size, bytes.size() - size);
      if (n == 0) break;
      if (n > 0) {
        size += static_cast<size_t>(n);
      } else if (errno != EINTR && errno != EAGAIN) {
        const int error = errno;
        return file_error("cannot read " + path_, error);
      }
    }
    return ok_status();
  }

 private:
  // Only a pipe, a terminal or another device is ever waited for.
  void wait() const {
    pollfd file{fd_, POLLIN, 0};
    if (::poll(&file, 1, kSilenceMilliseconds) != 0) return;
    if (!told_) SLUICE_LOG(warn, "waiting for somebody to write to {}", path_);
    told_ = true;
    ::poll(&file, 1, -1);
  }

  const int fd_;
  const std::string& path_;
  mutable bool told_ = false;
};

}  // namespace

Status file_error(const std::string& what, int error, const std::string& advice) {
  std::string message = what + ": " + std::strerror(error);
  // Which is not the file's fault, nor its folder's.
  const char* limit = "raise this process's limit (ulimit -n)";
  const std::string& to_do = error == EMFILE ? limit : advice;
  if (!to_do.empty()) message += "; " + to_do;
  return {code_of(error), std::move(message)};
}

int write_fully(int fd, std::span<const std::byte> bytes) {
  const BlockedSignal limit_on_file_sizes(SIGXFSZ);
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return 0;
}

Result<std::string> read_file(const std::string& path, const MostBytes& most) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait without a word.
  const Reading file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), path);
  if (file.fd() < 0) return file_error("cannot open " + path, errno);
  std::string bytes(kFirstBytes, '\0');
  size_t size = 0;
  SLUICE_RETURN_IF_ERROR(file.fill(bytes, size));
  const size_t limit = most(std::string_view(bytes).substr(0, size));
  const auto in_all = static_cast<size_t>(std::max<int64_t>(file.size(), 0));
  while (size == bytes.size() && size <= limit) {
    // One more than there may be, to see that there are no others.
    bytes.resize(std::min(std::max(in_all, 2 * size), limit) + 1);
    SLUICE_RETURN_IF_ERROR(file.fill(bytes, size));
  }
  if (size > limit) {
    return invalid_argument(fmt::format("{} has more than {} MiB", path, limit >> 20));
  }
  bytes.resize(size);
  return bytes;
}

Result<std::string> read_text(const std::string& path, size_t most_bytes) {
  SLUICE_ASSIGN_OR_RETURN(std::string text,
                          read_file(path, [most_bytes](std::string_view) { return most_bytes; }));
  if (text.empty()) return invalid_argument(path + " is empty");
  return text;
}

std::string absolute_path(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace sluice::core
