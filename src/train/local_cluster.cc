#include "train/local_cluster.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/log.h"

namespace sluice::train {

LocalCluster::LocalCluster(LocalClusterOptions options, std::string directory)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      children_(std::make_unique<ChildProcesses>()) {}

LocalCluster::LocalCluster(LocalCluster&& other) noexcept
    : options_(std::move(other.options_)),
      directory_(std::exchange(other.directory_, {})),
      driver_address_(std::move(other.driver_address_)),
      children_(std::move(other.children_)),
      workers_(std::move(other.workers_)),
      restarts_(other.restarts_) {}

Result<LocalCluster> LocalCluster::create(LocalClusterOptions options) {
  // Not $TMPDIR: a socket's path may have no more than 107 characters.
  std::string directory = "/tmp/sluice-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    return unavailable(std::string("cannot make a folder for sockets in /tmp: ") +
                       std::strerror(errno));
  }
  return LocalCluster(std::move(options), std::move(directory));
}

LocalCluster::~LocalCluster() {
  children_.reset();
  std::error_code ignored;  // nobody is left to be told
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Status LocalCluster::start(const std::string& driver_address) {
  driver_address_ = driver_address;
  // Several processes share the cores: a thread that waits in OpenMP must not spin on one that
  // another worker could use. OpenMP reads this when it is loaded, so it is set for the children.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  for (int i = 0; i < options_.servers; ++i) {
    RoleOptions role;
    role.driver = driver_address;
    role.listen = "unix:" + directory_ + "/server-" + std::to_string(i);
    role.index = i;
    const auto pid =
        children_->start(child_arguments(options_.program, "server", role, options_.log_level));
    if (!pid.ok()) return pid.status();
  }
  for (int i = 0; i < options_.workers; ++i) SLUICE_RETURN_IF_ERROR(start_worker(i));
  return ok_status();
}

Status LocalCluster::start_worker(int index) {
  RoleOptions role;
  role.driver = driver_address_;
  role.index = index;
  const auto pid =
      children_->start(child_arguments(options_.program, "worker", role, options_.log_level));
  if (!pid.ok()) return pid.status();
  workers_[*pid] = index;
  return ok_status();
}

void LocalCluster::look_after(driver::Driver& driver) {
  for (const ChildProcesses::Ended& ended : children_->reap()) {
    driver.process_ended(ended.pid, ended.fate);
    const auto it = workers_.find(ended.pid);
    if (it == workers_.end()) {
      // Before it joined, a server is nobody that the driver could miss.
      if (ended.failed)
        driver.abort("a parameter server (pid " + std::to_string(ended.pid) + ") " + ended.fate);
      continue;
    }
    const int index = it->second;
    workers_.erase(it);
    if (!ended.failed || driver.over()) continue;
    if (restarts_ < options_.max_restarts) {
      ++restarts_;
      SLUICE_LOG(warn, "starting worker {} again ({} of at most {} restarts)", index, restarts_,
                 options_.max_restarts);
      const Status started = start_worker(index);
      if (!started.ok()) SLUICE_LOG(error, "{}", started.message());
    }
    if (workers_.empty()) {
      driver.abort("every worker is gone; the last one, worker " + std::to_string(index) +
                   " (pid " + std::to_string(ended.pid) + "), " + ended.fate);
    }
  }
}

}  // namespace sluice::train
