#include "core/file_io.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/blocked_signal.h"

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

}  // namespace

Status file_error(const std::string& what, int error, const std::string& advice) {
  std::string message = what + ": " + std::strerror(error);
  if (!advice.empty()) message += "; " + advice;
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

Result<std::string> read_text(const std::string& path, size_t most_bytes) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (!file) return file_error("cannot open " + path, errno);
  std::string text;
  std::vector<char> block(size_t{1} << 16);
  for (size_t n = 0; (n = std::fread(block.data(), 1, block.size(), file.get())) > 0;) {
    text.append(block.data(), n);
    if (text.size() > most_bytes) {
      return invalid_argument(fmt::format("{} has more than {} MiB", path, most_bytes >> 20));
    }
  }
  if (std::ferror(file.get()) != 0) return file_error("cannot read " + path, errno);
  if (text.empty()) return invalid_argument(path + " is empty");
  return text;
}

std::string absolute_path(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace sluice::core
