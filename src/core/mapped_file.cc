#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "core/file_io.h"

namespace sluice::core {
namespace {

constexpr size_t kWriteBuffer = 1 << 20;

Status write_error(const std::string& folder, int error) {
  return file_error("cannot write a temporary file in " + folder, error,
                    "free some space there or set TMPDIR to another folder");
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::map(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    return file_error("cannot read " + path, error);
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile({}));
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    return file_error("cannot map " + path + " into memory", error);
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(address), size}));
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<TempFile> TempFile::create() {
  const char* tmpdir = std::getenv("TMPDIR");
  std::string folder = tmpdir != nullptr && *tmpdir != '\0' ? tmpdir : "/tmp";
  // Without a name from the first: a process that is killed leaves nothing behind.
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
  if (unnamed >= 0) return TempFile(unnamed, std::move(folder));
  // Some file systems have no such files.
  std::string name = folder + "/sluice-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    return file_error("cannot make a temporary file in " + folder, error,
                      "set TMPDIR to a folder that can be written");
  }
  ::unlink(name.c_str());
  return TempFile(fd, std::move(folder));
}

TempFile::TempFile(TempFile&& other) noexcept { *this = std::move(other); }

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(folder_, other.folder_);
  std::swap(size_, other.size_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

TempFile::~TempFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status TempFile::write(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kWriteBuffer) SLUICE_RETURN_IF_ERROR(flush());
  if (bytes.size() >= kWriteBuffer) {
    if (const int error = write_fully(fd_, bytes)) {
      return write_error(folder_, error);
    }
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  size_ += static_cast<int64_t>(bytes.size());
  return ok_status();
}

Status TempFile::flush() {
  if (const int error = write_fully(fd_, buffer_)) {
    return write_error(folder_, error);
  }
  buffer_.clear();
  return ok_status();
}

Result<std::shared_ptr<const MappedFile>> TempFile::map() {
  SLUICE_RETURN_IF_ERROR(flush());
  buffer_.shrink_to_fit();
  return MappedFile::map(fd_, "a temporary file in " + folder_);
}

}  // namespace sluice::core
