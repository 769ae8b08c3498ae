#include "launch/socket_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "launch/signals.h"

namespace sluice::launch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "sluice-";
constexpr const char* kLock = "/in-use";

// The lock goes with the process that holds it, however that ends. It is taken before the file has
// its name: a folder with a lock that is free belongs to nobody any more.
int lock_folder(const std::string& folder) {
  const std::string unnamed = folder + kLock + ".new";
  const int fd = ::open(unnamed.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0 &&
      ::rename(unnamed.c_str(), (folder + kLock).c_str()) == 0) {
    return fd;
  }
  if (fd >= 0) ::close(fd);
  return -1;
}

bool is_left_over(const std::string& folder) {
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
    return false;
  }
  const int fd = ::open((folder + kLock).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool free = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  ::close(fd);
  return free;
}

void remove_left_over_folders(const std::string& place) {
  std::error_code ignored;  // to be tidy is no reason to fail
  for (fs::directory_iterator entry(place, ignored), end; entry != end; entry.increment(ignored)) {
    if (!entry->path().filename().string().starts_with(kPrefix)) continue;
    if (is_left_over(entry->path())) fs::remove_all(entry->path(), ignored);
  }
}

Result<std::string> make_folder(const std::string& place) {
  constexpr size_t kLongestSocket = sizeof(sockaddr_un::sun_path) - 1;
  std::string directory = place + "/" + kPrefix + "XXXXXX";
  if (directory.size() + std::string_view("/server-9999").size() > kLongestSocket) {
    return unavailable(place + ": its name is too long");
  }
  if (mkdtemp(directory.data()) == nullptr) return unavailable(place + ": " + std::strerror(errno));
  return directory;
}

}  // namespace

std::vector<std::string> socket_places() {
  std::vector<std::string> places = {"/tmp"};
  for (const char* name : {"TMPDIR", "XDG_RUNTIME_DIR"}) {
    const char* place = std::getenv(name);
    // Absolute: children may be looked for from elsewhere.
    if (place != nullptr && place[0] == '/') places.emplace_back(place);
  }
  return places;
}

Result<SocketFolder> make_socket_folder(const std::vector<std::string>& places) {
  std::string directory, wrong;
  for (const std::string& place : places) {
    remove_left_over_folders(place);
    const Result<std::string> made = make_folder(place);
    if (made.ok()) {
      directory = *made;
      break;
    }
    wrong += (wrong.empty() ? "" : "; ") + made.status().message();
  }
  if (directory.empty()) {
    return unavailable(
        fmt::format("no place for a folder of sockets: {}; set TMPDIR to a folder with a short "
                    "name that can be written",
                    wrong));
  }
  remove_at_end(directory);
  const int lock = lock_folder(directory);
  return SocketFolder(std::move(directory), lock);
}

SocketFolder::~SocketFolder() {
  if (path_.empty()) return;
  std::error_code ignored;  // nobody is left to be told
  fs::remove_all(path_, ignored);
  forget_at_end(path_);
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace sluice::launch
