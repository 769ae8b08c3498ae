#include "train/child_processes.h"

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>

namespace sluice::train {
namespace {

std::string describe(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return "was killed by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
  }
  return "ended with exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

ChildProcesses::~ChildProcesses() { stop(std::chrono::milliseconds(500)); }

Result<pid_t> ChildProcesses::start(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
  if (error != 0) {
    return unavailable("cannot start a process of " + arguments.front() + ": " +
                       std::strerror(error));
  }
  running_.push_back(pid);
  return pid;
}

std::vector<ChildProcesses::Ended> ChildProcesses::reap() {
  std::vector<Ended> ended;
  std::erase_if(running_, [&](pid_t pid) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) != pid) return false;
    ended.push_back({pid, describe(status), !WIFEXITED(status) || WEXITSTATUS(status) != 0});
    return true;
  });
  return ended;
}

void ChildProcesses::signal_all(int signal) {
  for (pid_t pid : running_) kill(pid, signal);
}

void ChildProcesses::stop(core::Duration grace) {
  signal_all(SIGTERM);
  const auto until = std::chrono::steady_clock::now() + grace;
  while (!running_.empty() && std::chrono::steady_clock::now() < until) {
    (void)reap();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  signal_all(SIGKILL);
  for (pid_t pid : running_) waitpid(pid, nullptr, 0);
  running_.clear();
}

void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(128 + SIGKILL);
}

}  // namespace sluice::train
