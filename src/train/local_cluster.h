// The servers and workers of a job as child processes on this machine, talking over Unix sockets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "driver/driver.h"
#include "sluice/status.h"
#include "train/child_processes.h"
#include "train/roles.h"

namespace sluice::train {

struct LocalClusterOptions {
  std::string program = "sluice";  // argv[0] of the children
  std::string log_level = "warn";
  int servers = 1;
  int workers = 1;
  int max_restarts = 3;  // dead workers that are replaced, in all
};

// Used by main's thread (see ChildProcesses). Its folder of sockets goes with it.
class LocalCluster {
 public:
  // Makes the folder that the sockets will be in, readable by this user only, and removes those
  // that clusters left whose process was killed.
  static Result<LocalCluster> create(LocalClusterOptions options);
  LocalCluster(LocalCluster&& other) noexcept;
  LocalCluster& operator=(LocalCluster&&) = delete;
  ~LocalCluster();

  // Where the driver should listen.
  std::string driver_address() const { return "unix:" + directory_ + "/driver"; }

  Status start(const std::string& driver_address);
  // Tells `driver` which children have ended and replaces dead workers, or aborts the job when
  // there is nobody left to do the work. Call it often.
  void look_after(driver::Driver& driver);
  // Asks the children to end; stop() waits for that, and kills them after `grace`.
  void terminate() { children_->terminate(); }
  void stop(core::Duration grace) { children_->stop(grace); }

 private:
  LocalCluster(LocalClusterOptions options, std::string directory, int lock);
  Result<pid_t> start_child(const std::string& role, const RoleOptions& options);
  Status start_worker(int index);

  LocalClusterOptions options_;
  std::string directory_;
  int lock_ = -1;  // an open file; locked, it says that the folder is in use
  std::string driver_address_;
  std::unique_ptr<ChildProcesses> children_;
  std::map<pid_t, int> workers_;  // running, with their index
  int restarts_ = 0;
};

}  // namespace sluice::train
