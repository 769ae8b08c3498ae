#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "core/file_io.h"

namespace sluice::core {
namespace {

// Closes on destruction; close() does it earlier and says whether it worked.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  bool close() {
    const bool closed = fd_ < 0 || ::close(fd_) == 0;
    fd_ = -1;
    return closed;
  }

 private:
  int fd_;
};

Status failure(const std::string& path, int error) {
  return file_error("cannot write " + path, error, "what was there is unchanged");
}

// Opens a file that was not there, next to `path`, and sets `name` to its name.
int open_temporary(const std::string& path, std::string& name) {
  static std::atomic<unsigned> counter = 0;
  for (;;) {
    name = path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
}

int flush_directory_of(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  File file(
      ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.fd() < 0) return errno;
  if (::fsync(file.fd()) != 0 && errno != EINVAL) return errno;  // some file systems cannot
  return 0;
}

}  // namespace

Status replace_file(const std::string& path, const std::vector<std::span<const char>>& parts) {
  struct stat there;
  if (::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return {StatusCode::kInvalidArgument,
            "cannot write " + path + ": it is there and not a regular file"};
  }
  std::string temporary;
  File file(open_temporary(path, temporary));
  if (file.fd() < 0) return failure(path, errno);
  bool written = true;
  for (const std::span<const char>& part : parts) {
    written = written && (errno = write_fully(file.fd(), std::as_bytes(part))) == 0;
  }
  written = written && ::fsync(file.fd()) == 0 && file.close() &&
            ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return failure(path, error);
  }
  if (const int error = flush_directory_of(path); error != 0) {
    return file_error("cannot flush the directory of " + path, error,
                      "a power failure could undo the write");
  }
  return {};
}

}  // namespace sluice::core
