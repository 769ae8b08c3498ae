#include "train/local_cluster.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/log.h"
#include "train/signals.h"

namespace sluice::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders = "/tmp";
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

void remove_left_over_folders() {
  std::error_code ignored;  // to be tidy is no reason to fail
  for (fs::directory_iterator entry(kFolders, ignored), end; entry != end;
       entry.increment(ignored)) {
    if (!entry->path().filename().string().starts_with(kPrefix)) continue;
    if (is_left_over(entry->path())) fs::remove_all(entry->path(), ignored);
  }
}

}  // namespace

LocalCluster::LocalCluster(LocalClusterOptions options, std::string directory, int lock)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      lock_(lock),
      children_(std::make_unique<ChildProcesses>()) {}

LocalCluster::LocalCluster(LocalCluster&& other) noexcept
    : options_(std::move(other.options_)),
      directory_(std::exchange(other.directory_, {})),
      lock_(std::exchange(other.lock_, -1)),
      driver_address_(std::move(other.driver_address_)),
      children_(std::move(other.children_)),
      workers_(std::move(other.workers_)),
      restarts_(other.restarts_) {}

Result<LocalCluster> LocalCluster::create(LocalClusterOptions options) {
  // Not $TMPDIR: a socket's path may have no more than 107 characters.
  remove_left_over_folders();
  std::string directory = std::string(kFolders) + "/" + kPrefix + "XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    return unavailable(std::string("cannot make a folder for sockets in ") + kFolders + ": " +
                       std::strerror(errno));
  }
  remove_at_end(directory);
  const int lock = lock_folder(directory);
  return LocalCluster(std::move(options), std::move(directory), lock);
}

LocalCluster::~LocalCluster() {
  children_.reset();
  std::error_code ignored;  // nobody is left to be told
  if (directory_.empty()) return;
  fs::remove_all(directory_, ignored);
  forget_at_end(directory_);
  if (lock_ >= 0) ::close(lock_);
}

Status LocalCluster::start(const std::string& driver_address) {
  driver_address_ = driver_address;
  for (int i = 0; i < options_.servers; ++i) {
    RoleOptions role;
    role.driver = driver_address;
    role.listen = "unix:" + directory_ + "/server-" + std::to_string(i);
    role.index = i;
    SLUICE_RETURN_IF_ERROR(start_child("server", role).status());
  }
  for (int i = 0; i < options_.workers; ++i) SLUICE_RETURN_IF_ERROR(start_worker(i));
  return ok_status();
}

Result<pid_t> LocalCluster::start_child(const std::string& role, const RoleOptions& options) {
  // Several processes share the cores: a thread that waits in OpenMP must not spin on one that
  // another worker could use. OpenMP reads this when it is loaded.
  return children_->start(child_arguments(options_.program, role, options, options_.log_level),
                          {"OMP_WAIT_POLICY=passive"});
}

Status LocalCluster::start_worker(int index) {
  RoleOptions role;
  role.driver = driver_address_;
  role.index = index;
  SLUICE_ASSIGN_OR_RETURN(const pid_t pid, start_child("worker", role));
  workers_[pid] = index;
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
