// Where workers of the same host come to share memory with a server: a Unix socket whose name is in
// no file system and gone with the server's process.
//
// What is on the doorplate is told over the network. A worker that is on the same host, in the same
// network namespace and of the same user can connect, and is let in if it knows the key. Others are
// hung up on: at once, or when they have said nothing for a while, or when too many others do.
// One thread reads what comes and sees who has died, at once. Thread-safe.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/clock.h"
#include "core/descriptor.h"
#include "memory/guest.h"
#include "memory/segments.h"
#include "sluice/status.h"

namespace sluice::memory {

struct Doorplate {
  std::string machine;  // its boot id
  std::string name;     // of the socket
  std::array<uint64_t, 2> key{};
};

struct DoorOptions {
  Bounds bounds{};                                    // of each worker
  size_t guests = 1024;                               // at most
  size_t strangers = 64;                              // at most, who have not shown the key yet
  core::Duration patience = std::chrono::seconds(2);  // with each of them
};

class Door {
 public:
  // `own`: the segments that workers may be told of. FAILED_PRECONDITION, RESOURCE_EXHAUSTED: this
  // host cannot share memory, and why.
  static Result<std::unique_ptr<Door>> open(std::shared_ptr<Segments> own,
                                            const DoorOptions& options);
  // Hangs up on everybody.
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  const Doorplate& plate() const { return plate_; }

  // Null: has not come in, or is gone.
  std::shared_ptr<Guest> find(uint64_t token) const;
  size_t guests() const;
  // Lets go of what the guests are done with.
  void release();

 private:
  struct Stranger {
    core::Descriptor socket;
    core::TimePoint until;
  };

  Door(std::shared_ptr<Segments> own, const DoorOptions& options, Doorplate plate,
       core::Descriptor socket, core::Descriptor events, core::Descriptor stop);

  // The thread's.
  void run();
  int milliseconds_to_wait();
  void accept_all();
  void read_hello(int fd);
  void let_in(Received hello, core::Descriptor socket);
  void forget(int fd);
  bool watch(int fd, uint32_t events, int operation) const;

  const std::shared_ptr<Segments> own_;
  const DoorOptions options_;
  const Doorplate plate_;
  const core::Descriptor socket_;
  const core::Descriptor events_;  // epoll
  const core::Descriptor stop_;    // an eventfd

  // Used by the thread only, by descriptor.
  std::map<int, Stranger> strangers_;
  std::map<int, uint64_t> tokens_;
  bool paused_ = false;  // no connection can be taken at the moment

  mutable std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Guest>> guests_;  // by token

  std::thread thread_;
};

}  // namespace sluice::memory
