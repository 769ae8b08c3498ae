// Processes of this very program in other roles, watched over by the one that started them.
//
// A child dies with its parent, however that ends. Used by one thread, which must be the one that
// lives as long as the children shall (main's).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/clock.h"
#include "sluice/status.h"

namespace sluice::train {

class ChildProcesses {
 public:
  struct Ended {
    pid_t pid;
    std::string fate;  // "killed by signal 9 (Killed)", "ended with exit status 3"
    bool failed;       // anything but exit status 0
  };

  ChildProcesses() = default;
  ChildProcesses(const ChildProcesses&) = delete;
  ~ChildProcesses();  // as stop() with half a second

  // Starts /proc/self/exe with these arguments, and this process's environment; "NAME=value" in
  // `defaults` counts where that does not have the name.
  Result<pid_t> start(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& defaults = {});
  // Children that have ended since the last call; never blocks.
  std::vector<Ended> reap();
  bool empty() const { return running_.empty(); }
  void terminate();  // SIGTERM to all, once
  // terminate(), SIGKILL to those that are still there after `grace`; returns when all are gone.
  void stop(core::Duration grace);

 private:
  void signal_all(int signal);

  std::vector<pid_t> running_;
  bool terminated_ = false;
};

// For the child: asks the kernel to kill this process when its parent dies, and ends it at once if
// `parent` is gone already.
void die_with_parent(pid_t parent);

}  // namespace sluice::train
