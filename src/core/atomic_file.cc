#include "core/atomic_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "core/blocked_signal.h"
#include "core/file_io.h"
#include "core/log.h"
#include "core/process_info.h"

namespace sluice::core {

namespace fs = std::filesystem;

// Closes on destruction; close() does it earlier and says whether it worked.
class OutputFile::File {
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

namespace {

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

// A name next to `path`, as long as names may be at most.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter = 0;
  constexpr size_t kLongestName = 255, kLongestSuffix = 40;
  const size_t folder = path.rfind('/') + 1;  // 0 where there is none
  const std::string file = path.substr(folder, kLongestName - kLongestSuffix);
  return fmt::format("{}{}.tmp-{}-{}", path.substr(0, folder), file, ::getpid(), counter++);
}

// Opens a file that was not there, next to `path`, and sets `name` to its name.
int open_temporary(const std::string& path, std::string& name) {
  for (;;) {
    name = temporary_name(path);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
}

int flush_directory_of(const std::string& path) {
  const int fd = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;  // some file systems cannot
  ::close(fd);
  return error;
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

bool can_be_written(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

// A stream that was closed when the program began has /dev/null in its place, which anybody can
// open anew and write to, in vain. So what asks for the stream by its name is told apart.
bool names_a_stream_that_is_closed(const std::string& path) {
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    const std::string number = std::to_string(fd);
    const bool named = path == (fd == STDOUT_FILENO ? "/dev/stdout" : "/dev/stderr") ||
                       path == "/dev/fd/" + number || path == "/proc/self/fd/" + number;
    if (named && !can_be_written(fd)) return true;
  }
  return false;
}

// A pipe's reader is waited for: who starts both may start this program first.
int open_pipe(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CLOEXEC;
  const int fd = ::open(path.c_str(), kFlags | O_NONBLOCK);
  if (fd < 0 && errno == ENXIO) {
    SLUICE_LOG(warn, "waiting for somebody to read {}", path);
    return ::open(path.c_str(), kFlags);
  }
  if (fd >= 0) (void)::fcntl(fd, F_SETFL, 0);  // from now on writes wait
  return fd;
}

int open_as_it_is(const std::string& path) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return -1;
  const int stream = standard_stream(there);
  if (stream >= 0 && can_be_written(stream)) return ::fcntl(stream, F_DUPFD_CLOEXEC, 0);
  if (S_ISFIFO(there.st_mode)) return open_pipe(path);
  return ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

// Has the file system put `bytes` aside for an open file. The errno of the failure, or 0.
int reserve(int fd, uint64_t bytes) {
  const BlockedSignal limit_on_file_sizes(SIGXFSZ);
  const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  return error == EOPNOTSUPP || error == EINVAL ? 0 : error;  // some file systems cannot
}

uint64_t attributes_of(const std::string& path) {
  struct statx info {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &info) != 0) return 0;
  return info.stx_attributes;
}

// Whether the file at `path` can be replaced, by what the kernel says when a folder shall be: it
// looks whether the file may be removed first, and refuses a folder in a file's place after that.
// So nothing is changed. The errno of the failure, or 0.
int try_to_replace(const std::string& path) {
  const std::string folder = temporary_name(path);
  if (::mkdir(folder.c_str(), 0700) != 0) return errno;
  const int error = ::rename(folder.c_str(), path.c_str()) == 0 ? 0 : errno;
  // Where the file went away meanwhile, the folder is in its place.
  ::rmdir(error == 0 ? path.c_str() : folder.c_str());
  return error == ENOTDIR ? 0 : error;
}

Status check_replaceable(const std::string& name, const std::string& place) {
  if ((attributes_of(place) & STATX_ATTR_MOUNT_ROOT) != 0) {
    return file_error("cannot write " + name, EBUSY,
                      "it is a mount point; mount its folder instead of the file");
  }
  const int error = try_to_replace(place);
  if (error == 0) return ok_status();
  return file_error("cannot write " + name, error,
                    "the file there cannot be replaced: it may be immutable or append-only "
                    "(lsattr), or another user's; choose another name");
}

bool written_as_it_is(const std::string& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 &&
         (!S_ISREG(there.st_mode) || standard_stream(there) >= 0);
}

// The file's only name, also while it is not there.
std::string true_name(const std::string& path) {
  std::error_code unknown;
  const std::string end = follow_links(path);
  const fs::path name = fs::weakly_canonical(fs::absolute(end, unknown), unknown);
  return unknown ? end : name.string();
}

}  // namespace

std::string follow_links(const std::string& path) {
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

OutputFile::OutputFile(const std::string& path)
    : path_(path), as_it_is_(written_as_it_is(path)), place_(as_it_is_ ? path : true_name(path)) {}

OutputFile::OutputFile(OutputFile&&) noexcept = default;
OutputFile::~OutputFile() = default;

Status OutputFile::failure(int error, const std::string& advice) const {
  return file_error("cannot write " + path_, error, advice);
}

Status OutputFile::check(uint64_t bytes) const {
  if (as_it_is_) return check_as_it_is(bytes);
  const std::string advice = "the folder must be there and writable";
  struct stat there {};
  if (::stat(path_.c_str(), &there) != 0 && errno == ELOOP) return failure(errno);
  const bool exists = ::lstat(place_.c_str(), &there) == 0;
  if (!exists && errno != ENOENT) return failure(errno, advice);
  if ((attributes_of(folder_of(place_)) & STATX_ATTR_APPEND) != 0) {
    return failure(EPERM, "its folder is append-only (lsattr); choose another");
  }
  std::string temporary;
  const File file(open_temporary(place_, temporary));
  if (file.fd() < 0) return failure(errno, advice);
  ::unlink(temporary.c_str());
  if (const int error = reserve(file.fd(), bytes); error != 0) {
    return failure(error, fmt::format("it takes {} in {}: make room, or choose another folder",
                                      memory_text(static_cast<double>(bytes)), folder_of(place_)));
  }
  return exists ? check_replaceable(path_, place_) : ok_status();
}

Status OutputFile::check_in_place() const {
  struct stat there {};
  if (as_it_is_ || ::lstat(place_.c_str(), &there) != 0) return check();
  const File file(::open(place_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.fd() >= 0) return ok_status();
  return failure(errno, errno == EPERM ? "it may be immutable or append-only (lsattr)" : "");
}

Status OutputFile::check_as_it_is(uint64_t bytes) const {
  if (names_a_stream_that_is_closed(path_)) {
    return failure(EBADF, "it was closed, or open for reading only, when this program began");
  }
  struct stat there {};
  if (::stat(path_.c_str(), &there) != 0) return failure(errno);
  if (S_ISDIR(there.st_mode)) return failure(EISDIR);
  if (S_ISSOCK(there.st_mode)) return failure(ENXIO, "it is a socket; choose another name");
  const int stream = standard_stream(there);
  struct statvfs disk {};
  if (stream >= 0 && S_ISREG(there.st_mode) && ::fstatvfs(stream, &disk) == 0 &&
      disk.f_bavail * disk.f_frsize < bytes) {
    return failure(ENOSPC, fmt::format("it takes {}", memory_text(static_cast<double>(bytes))));
  }
  if ((stream >= 0 && can_be_written(stream)) || ::access(path_.c_str(), W_OK) == 0) {
    return ok_status();
  }
  return failure(errno);
}

Status OutputFile::open() {
  if (!as_it_is_ || file_) return ok_status();
  SLUICE_RETURN_IF_ERROR(check_as_it_is(0));
  auto file = std::make_unique<File>(open_as_it_is(path_));
  if (file->fd() < 0) return failure(errno);
  file_ = std::move(file);
  return ok_status();
}

Result<int> OutputFile::open_in_place() {
  SLUICE_RETURN_IF_ERROR(open());
  const int fd =
      file_ ? ::fcntl(file_->fd(), F_DUPFD_CLOEXEC, 0)
            : ::open(place_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return failure(errno);
  return fd;
}

Status OutputFile::write(const std::vector<std::span<const char>>& parts) {
  return as_it_is_ ? write_as_it_is(parts) : replace(parts);
}

Status OutputFile::write_as_it_is(const std::vector<std::span<const char>>& parts) {
  SLUICE_RETURN_IF_ERROR(open());
  // What was printed comes before what is written to the same place.
  if (is_standard_output(path_) && std::fflush(stdout) != 0) return failure(errno);
  for (const std::span<const char>& part : parts) {
    if (const int error = write_fully(file_->fd(), std::as_bytes(part)); error != 0) {
      return failure(error);
    }
  }
  const std::unique_ptr<File> written = std::move(file_);
  return written->close() ? ok_status() : failure(errno);
}

Status OutputFile::replace(const std::vector<std::span<const char>>& parts) const {
  const std::string advice = "what was there is unchanged";
  std::string temporary;
  File file(open_temporary(place_, temporary));
  if (file.fd() < 0) return failure(errno, advice);
  bool written = true;
  for (const std::span<const char>& part : parts) {
    written = written && (errno = write_fully(file.fd(), std::as_bytes(part))) == 0;
  }
  written = written && ::fsync(file.fd()) == 0 && file.close() &&
            ::rename(temporary.c_str(), place_.c_str()) == 0;
  if (!written) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return failure(error, advice);
  }
  if (const int error = flush_directory_of(place_); error != 0) {
    return file_error("cannot flush the directory of " + path_, error,
                      "a power failure could undo the write");
  }
  return {};
}

Status replace_file(const std::string& path, const std::vector<std::span<const char>>& parts) {
  return OutputFile(path).write(parts);
}

Status can_replace_file(const std::string& path) { return OutputFile(path).check(); }

bool is_standard_output(const std::string& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && standard_stream(there) == STDOUT_FILENO;
}

}  // namespace sluice::core
