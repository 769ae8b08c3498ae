// The folder that the sockets of a local cluster are in.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sluice/status.h"

namespace sluice::launch {

// /tmp, then $TMPDIR and $XDG_RUNTIME_DIR: a socket's path may have no more than 107 characters,
// and /tmp is the shortest.
std::vector<std::string> socket_places();

// Readable by this user only. It goes with the object, and with the process.
class SocketFolder {
 public:
  SocketFolder(SocketFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::exchange(other.lock_, -1)) {}
  SocketFolder& operator=(SocketFolder&&) = delete;
  ~SocketFolder();

  const std::string& path() const { return path_; }

 private:
  friend Result<SocketFolder> make_socket_folder(const std::vector<std::string>& places);
  SocketFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;  // empty: another object has it now
  int lock_;          // an open file; locked, it says that the folder is in use; or -1
};

// At the first place where that is possible, from each of which those are removed that processes
// left which were killed. UNAVAILABLE, with what is wrong with each place.
Result<SocketFolder> make_socket_folder(const std::vector<std::string>& places);

}  // namespace sluice::launch
