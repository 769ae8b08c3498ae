#include "core/input_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "core/file_io.h"

namespace sluice::core {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

FileStamp stamp_of(const struct stat& info) {
  return {.bytes = static_cast<uint64_t>(info.st_size),
          .modified_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

}  // namespace

Result<std::shared_ptr<const InputFile>> InputFile::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int error = errno;
    return file_error("cannot open " + path, error, "check the path");
  }
  struct stat info {};
  const int error = ::fstat(fd, &info) == 0 ? 0 : errno;
  std::shared_ptr<const InputFile> file(new InputFile(fd, path, stamp_of(info)));
  if (error != 0) return file_error("cannot read " + path, error);
  if (!S_ISREG(info.st_mode)) {
    return invalid_argument(fmt::format("{}: expected a file, found a {}", path,
                                        S_ISDIR(info.st_mode) ? "folder" : "device or pipe"));
  }
  return file;
}

InputFile::~InputFile() { ::close(fd_); }

Status InputFile::read(uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      return file_error("cannot read " + path_, error);
    }
    if (n == 0) return changed();
    into = into.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return ok_status();
}

Status InputFile::read_all(const std::function<Status(std::span<const std::byte>)>& sink) const {
  std::vector<std::byte> piece(std::min<uint64_t>(kPiece, size()));
  for (uint64_t done = 0; done < size(); done += piece.size()) {
    const auto part = std::span(piece).first(std::min<uint64_t>(piece.size(), size() - done));
    SLUICE_RETURN_IF_ERROR(read(done, part));
    SLUICE_RETURN_IF_ERROR(sink(part));
  }
  return check_unchanged();
}

Status InputFile::check_unchanged() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) {
    const int error = errno;
    return file_error("cannot read " + path_, error);
  }
  return stamp_of(info) == stamp_ ? ok_status() : changed();
}

Status InputFile::changed() const {
  return data_loss(path_ +
                   " was written to while it is in use: start again, and replace files that are "
                   "in use by renaming another onto them");
}

}  // namespace sluice::core
