#include "core/atomic_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
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

// Opens a file that was not there, next to `path`, and sets `name` to its name, which is as long as
// names may be at most.
int open_temporary(const std::string& path, std::string& name) {
  static std::atomic<unsigned> counter = 0;
  constexpr size_t kLongestName = 255, kLongestSuffix = 40;
  const size_t folder = path.rfind('/') + 1;  // 0 where there is none
  const std::string file = path.substr(folder, kLongestName - kLongestSuffix);
  for (;;) {
    name = fmt::format("{}{}.tmp-{}-{}", path.substr(0, folder), file, ::getpid(), counter++);
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

// Standard output or error where `there` is what it goes to, which may be a regular file: replaced,
// it would lose what others write there. Else negative.
int standard_stream(const struct stat& there) {
  for (int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat standard {};
    if (::fstat(fd, &standard) == 0 && standard.st_dev == there.st_dev &&
        standard.st_ino == there.st_ino) {
      return fd;
    }
  }
  return -1;
}

int open_as_it_is(const std::string& path, const struct stat& there) {
  const int stream = standard_stream(there);
  if (stream < 0) return ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (std::fflush(stream == STDOUT_FILENO ? stdout : stderr) != 0) return -1;
  return ::fcntl(stream, F_DUPFD_CLOEXEC, 0);
}

Status write_as_it_is(const std::string& path, const struct stat& there,
                      const std::vector<std::span<const char>>& parts) {
  if (S_ISDIR(there.st_mode)) return file_error("cannot write " + path, EISDIR);
  File file(open_as_it_is(path, there));
  if (file.fd() < 0) return file_error("cannot write " + path, errno);
  for (const std::span<const char>& part : parts) {
    if (const int error = write_fully(file.fd(), std::as_bytes(part)); error != 0) {
      return file_error("cannot write " + path, error);
    }
  }
  return file.close() ? ok_status() : file_error("cannot write " + path, errno);
}

bool written_as_it_is(const std::string& path, struct stat& there) {
  return ::stat(path.c_str(), &there) == 0 &&
         (!S_ISREG(there.st_mode) || standard_stream(there) >= 0);
}

}  // namespace

std::string follow_links(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int kMostLinks = 40;  // as the kernel
  fs::path at = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code not_a_link;
    const fs::path target = fs::read_symlink(at, not_a_link);
    if (not_a_link) break;
    at = at.parent_path() / target;  // `target` alone where that is absolute
  }
  return at.string();
}

Status replace_file(const std::string& link, const std::vector<std::span<const char>>& parts) {
  struct stat there {};
  if (written_as_it_is(link, there)) return write_as_it_is(link, there, parts);
  const std::string path = follow_links(link);
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

Status can_replace_file(const std::string& link) {
  struct stat there {};
  const std::string advice = "the folder must be there and writable";
  if (written_as_it_is(link, there)) {
    if (S_ISDIR(there.st_mode)) return file_error("cannot write " + link, EISDIR);
    if (standard_stream(there) >= 0 || ::access(link.c_str(), W_OK) == 0) return ok_status();
    return file_error("cannot write " + link, errno, advice);
  }
  const std::string path = follow_links(link);
  if (::lstat(path.c_str(), &there) != 0 && errno != ENOENT) {
    return file_error("cannot write " + link, errno);
  }
  std::string temporary;
  const File file(open_temporary(path, temporary));
  if (file.fd() < 0) return file_error("cannot write " + link, errno, advice);
  ::unlink(temporary.c_str());
  return ok_status();
}

bool is_standard_output(const std::string& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && standard_stream(there) == STDOUT_FILENO;
}

}  // namespace sluice::core
