// Which jobs of this user run on this machine: each driver that runs leaves a small file in a
// private folder, where `sluice status` and `sluice ctl` find its address.
//
// The folder is $XDG_RUNTIME_DIR/sluice, or /tmp/sluice-UID where that is not set. It belongs to
// this user and nobody else may look into it; what is not so is not used. Files of processes that
// have ended are removed by whoever comes across them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::launch {

struct RunningJob {
  std::string address;  // of its driver
  std::string what;     // "mnist_cnn on mnist, adag"
  int64_t pid = 0;      // the driver's
  int64_t started = 0;  // in clock ticks since the machine was booted
  std::string machine;  // its boot id
  int64_t since = 0;    // when the job began, in seconds since 1970
};

std::string running_jobs_folder();

// The file of a job, for as long as this lives. A folder that cannot be used is no reason not to
// train: then the job is not found by itself, and a line of the log says why.
class RunningJobFile {
 public:
  RunningJobFile(const std::string& folder, const std::string& address, const std::string& what);
  RunningJobFile(const RunningJobFile&) = delete;
  ~RunningJobFile();

 private:
  std::string path_;  // empty: there is none
};

// Of this machine, the newest last; none where the folder is not there. PERMISSION_DENIED: the
// folder is not what it should be, and why.
Result<std::vector<RunningJob>> find_running_jobs(const std::string& folder);

}  // namespace sluice::launch
