#include "memory/segment.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "core/blocked_signal.h"
#include "core/process_info.h"

#ifndef MFD_NOEXEC_SEAL  // Linux 6.3
#define MFD_NOEXEC_SEAL 8U
#endif

namespace sluice::memory {
namespace {

constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20;
// Without F_SEAL_FUTURE_WRITE (Linux 5.1) whoever is given a segment could write to it, and its
// owner could take pages away: then reading there needs new ones, which there may not be.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

Status no_segment(size_t bytes, int error) {
  const bool no_room = error == ENOMEM || error == ENOSPC || error == EFBIG || error == EMFILE ||
                       error == ENFILE || error == EOVERFLOW;
  const bool old = error == ENOSYS || error == EINVAL;
  return {no_room ? StatusCode::kResourceExhausted : StatusCode::kFailedPrecondition,
          fmt::format("cannot make a segment of {} to share: {}{}",
                      core::memory_text(static_cast<double>(bytes)), std::strerror(error),
                      old ? "; that needs Linux 5.1 or newer" : "")};
}

// What could be had without taking it from others; all there is where /proc does not tell.
uint64_t free_bytes() {
  const auto usable = static_cast<uint64_t>(core::usable_memory_bytes());
  std::ifstream file("/proc/meminfo");
  std::string name;
  for (uint64_t kilobytes = 0; file >> name >> kilobytes; std::getline(file, name)) {
    if (name == "MemAvailable:") return std::min(usable, kilobytes * 1024);
  }
  return usable;
}

int make_unnamed() {
  const int fd = ::memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return fd;
  return ::memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int set_size(int fd, size_t bytes) {
  const core::BlockedSignal limit_on_file_sizes(SIGXFSZ);  // ulimit -f counts for these too
  return ::ftruncate(fd, static_cast<off_t>(bytes));
}

int reserve(int fd, size_t bytes) {
  int result = 0;
  do {
    result = ::fallocate(fd, 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

Result<Segment> Segment::make(size_t bytes) {
  if (bytes == 0) return invalid_argument("a segment has at least one byte");
  // The kernel would look for pages until it has to kill somebody.
  if (bytes >= kHugePage && bytes > free_bytes()) return no_segment(bytes, ENOMEM);
  bytes = (bytes + kPage - 1) / kPage * kPage;
  core::Descriptor fd(make_unnamed());
  if (!fd.valid() || set_size(fd.get(), bytes) != 0) return no_segment(bytes, errno);
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) return no_segment(bytes, errno);
  Mapping mapping({static_cast<std::byte*>(address), bytes});
  // Advice, which must come before the pages do. Populating alone would do, where the kernel can
  // (5.14), and as it can't be told from a failure, the pages are asked for once more.
  if (bytes >= kHugePage) ::madvise(address, bytes, MADV_HUGEPAGE);
  (void)::madvise(address, bytes, MADV_POPULATE_WRITE);
  if (reserve(fd.get(), bytes) != 0 || ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return no_segment(bytes, errno);
  }
  return Segment(std::move(fd), std::move(mapping));
}

Result<std::shared_ptr<const PeerSegment>> PeerSegment::map(core::Descriptor fd, uint64_t bytes,
                                                            uint64_t most_bytes) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return invalid_argument("a segment that is not sealed against changes");
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return invalid_argument("a segment that cannot be looked at");
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size == 0 || size != bytes || size > most_bytes) {
    return invalid_argument(
        fmt::format("a segment of {} bytes, said to have {}, at most {}", size, bytes, most_bytes));
  }
  if (static_cast<uint64_t>(info.st_blocks) * 512 < size) {
    return invalid_argument("a segment whose pages are not there");
  }
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) {
    return invalid_argument(
        fmt::format("a segment that cannot be mapped: {}", std::strerror(errno)));
  }
  if (size >= kHugePage) ::madvise(address, size, MADV_HUGEPAGE);
  return std::shared_ptr<const PeerSegment>(
      new PeerSegment(Mapping({static_cast<std::byte*>(address), size})));
}

Result<std::span<const std::byte>> PeerSegment::view(uint64_t offset, uint64_t bytes,
                                                     size_t alignment) const {
  const size_t size = mapping_.bytes().size();
  if (offset > size || bytes > size - offset || offset % alignment != 0) {
    return invalid_argument(fmt::format("{} bytes at {} of a segment of {}, in steps of {}", bytes,
                                        offset, size, alignment));
  }
  return this->bytes().subspan(offset, bytes);
}

}  // namespace sluice::memory
