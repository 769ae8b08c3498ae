#include "core/byte_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "core/file_io.h"
#include "core/log.h"

namespace sluice::core {
namespace {

constexpr size_t kRead = size_t{1} << 16;  // as much as a pipe holds
// Who writes faster than is read gets larger pieces, which are worth the work that is done with
// each; a record that comes alone waits for no other longer than anybody sees.
constexpr size_t kReads = 64;
constexpr int kGraceMilliseconds = 2;
constexpr int kSilenceMilliseconds = 2000;

// Standard input is everybody's: it is never closed.
class Stream {
 public:
  explicit Stream(const std::string& path) {
    if (path == "-" || path == "/dev/stdin") return;
    is_own_ = true;
    // O_NONBLOCK: opening a pipe that nobody writes to must not wait without a word.
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  }
  ~Stream() {
    if (is_own_ && fd_ >= 0) ::close(fd_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int fd() const { return fd_; }
  bool wait(int milliseconds) const {
    pollfd file{fd_, POLLIN, 0};
    return ::poll(&file, 1, milliseconds) != 0;
  }

 private:
  int fd_ = STDIN_FILENO;
  bool is_own_ = false;
};

}  // namespace

bool is_stream(const std::string& path) {
  if (path == "-") return true;
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode);
}

Status read_stream(const std::string& path,
                   const std::function<Status(std::span<const std::byte>)>& sink) {
  const Stream stream(path);
  if (stream.fd() < 0) {
    const int error = errno;
    return file_error("cannot open " + path, error, "check the path");
  }
  const std::string name = path == "-" ? "standard input" : path;
  if (path != "-" && !stream.wait(kSilenceMilliseconds)) {
    SLUICE_LOG(warn, "waiting for somebody to write to {}", path);
  }
  std::vector<std::byte> piece(kReads * kRead);
  for (bool has_ended = false; !has_ended;) {
    size_t size = 0;
    stream.wait(-1);
    for (size_t reads = 0; reads < kReads && !has_ended; ++reads) {
      if (reads > 0 && !stream.wait(kGraceMilliseconds)) break;
      const ssize_t n = ::read(stream.fd(), piece.data() + size, kRead);
      const int error = errno;
      if (n < 0 && error != EINTR && error != EAGAIN) {
        return file_error("cannot read " + name, error);
      }
      has_ended = n == 0;
      size += static_cast<size_t>(std::max<ssize_t>(n, 0));
    }
    if (size > 0) SLUICE_RETURN_IF_ERROR(sink(std::span(piece).first(size)));
  }
  return ok_status();
}

}  // namespace sluice::core
