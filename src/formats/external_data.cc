#include "formats/external_data.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "formats/onnx_file.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(-1); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  void reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& location, const std::string& what) {
  throw RuntimeError(
      fmt::format("names the file \"{}\" for its weights, {}", printable(location), what));
}

// The names on the way, of which none leads up or anywhere else.
std::vector<std::string> steps_of(const std::string& location) {
  std::vector<std::string> steps;
  for (size_t at = 0; at <= location.size();) {
    const size_t end = std::min(location.find('/', at), location.size());
    const std::string step = location.substr(at, end - at);
    if (step == ".." || step.empty() || step.find('\0') != std::string::npos) {
      fail(location, "which is not one in its own folder");
    }
    if (step != ".") steps.push_back(step);
    at = end + 1;
  }
  if (steps.empty()) fail(location, "which is none");
  return steps;
}

}  // namespace

std::string ExternalData::read(const std::string& location, uint64_t offset, uint64_t length) {
  const std::vector<std::string> steps = steps_of(location);
  Descriptor at(
      ::open(folder_.empty() ? "." : folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (size_t k = 0; at.get() >= 0 && k < steps.size(); ++k) {
    const int kind = k + 1 < steps.size() ? O_DIRECTORY : O_NONBLOCK;
    at.reset(::openat(at.get(), steps[k].c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | kind));
  }
  if (at.get() < 0) {
    if (errno == ELOOP) fail(location, "which is a link: put the file itself in its place");
    fail(location, fmt::format("which cannot be opened: {}; it belongs into the same folder",
                               std::strerror(errno)));
  }
  struct stat there {};
  if (::fstat(at.get(), &there) != 0 || !S_ISREG(there.st_mode)) {
    fail(location, "which is no regular file");
  }
  const auto size = static_cast<uint64_t>(there.st_size);
  if (offset > size || length > size - offset) {
    fail(location,
         fmt::format("which has {} bytes where {} from {} on are needed", size, length, offset));
  }
  uint64_t& so_far = read_[location];
  if (length > size - std::min(size, so_far)) fail(location, "and takes more of it than it has");
  so_far += length;
  std::string bytes(length, '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t read = ::pread(at.get(), bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) fail(location, "which cannot be read to its end");
    done += static_cast<size_t>(read);
  }
  return bytes;
}

std::vector<std::string> ExternalData::files() const {
  std::vector<std::string> paths;
  for (const auto& [location, bytes] : read_) {
    paths.push_back((std::filesystem::path(folder_) / location).string());
  }
  return paths;
}

}  // namespace sluice::formats
