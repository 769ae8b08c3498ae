// Processes of this very program in other roles, watched over by the one that started them.
//
// A child ignores what a terminal or a batch system sends to all processes of a job (SIGINT,
// SIGHUP, SIGUSR1, SIGUSR2): its parent hears of it too, and decides. It dies with its parent,
// however that ends, from its first moment. The kernel takes the thread that started it for the
// parent: it must live as long as the children shall.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/control_groups.h"
#include "sluice/status.h"

namespace sluice::launch {

// Thread-safe.
class ChildProcesses {
 public:
  struct Ended {
    pid_t pid = 0;
    std::string fate;  // "was killed by signal 9 (Killed)", "ended with exit status 3"
  };

  // `on_end` is told of every child, once, at once, on a thread of that child's own.
  // `memory`: asked whom the kernel has killed for want of memory.
  explicit ChildProcesses(
      std::function<void(const Ended&)> on_end,
      std::function<core::MemoryBound()> memory = [] { return core::memory_bound(); });
  ChildProcesses(const ChildProcesses&) = delete;
  ~ChildProcesses();  // as stop() with half a second

  // Starts /proc/self/exe with these arguments, and this process's environment; "NAME=value" in
  // `defaults` counts where that does not have the name.
  Result<pid_t> start(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& defaults = {});
  bool empty() const;
  void terminate();           // SIGTERM to all, once: a second one would mean "at once"
  void terminate(pid_t pid);  // likewise to one
  void kill(pid_t pid);       // SIGKILL to one, if it is still there
  // terminate(), SIGKILL to those that are still there after `grace`; returns when all are gone and
  // on_end has been told.
  void stop(core::Duration grace);

 private:
  void watch(pid_t pid);
  std::string fate_of(int status);
  void ask_to_end();  // with the lock

  // Where SIGCHLD is ignored, the kernel takes away the status of dead children: at its default
  // while this exists.
  const bool sigchld_was_ignored_;
  const std::function<void(const Ended&)> on_end_;
  const std::function<core::MemoryBound()> memory_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  int64_t killed_for_memory_;         // guarded by mutex_; in this control group, so far
  std::set<pid_t> running_;           // guarded by mutex_; not reaped
  std::set<pid_t> asked_;             // guarded by mutex_; have had their SIGTERM
  std::vector<std::thread> watches_;  // guarded by mutex_
};

}  // namespace sluice::launch
