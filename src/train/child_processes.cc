#include "train/child_processes.h"

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace sluice::train {
namespace {

std::string describe(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return "was killed by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
  }
  return "ended with exit status " + std::to_string(WEXITSTATUS(status));
}

// Where whoever started us ignores it, the kernel would take away the status of dead children.
void heed_sigchld() {
  struct sigaction action {};
  sigaction(SIGCHLD, nullptr, &action);
  if (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0) {
    signal(SIGCHLD, SIG_DFL);
  }
}

}  // namespace

ChildProcesses::~ChildProcesses() { stop(std::chrono::milliseconds(500)); }

Result<pid_t> ChildProcesses::start(const std::vector<std::string>& arguments,
                                    const std::vector<std::string>& defaults) {
  heed_sigchld();
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& variable : defaults) {
    const std::string name = variable.substr(0, variable.find('='));
    if (std::getenv(name.c_str()) == nullptr) {
      environment.push_back(const_cast<char*>(variable.c_str()));
    }
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  environment.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environment.data());
  if (error != 0) {
    return unavailable("cannot start a process of " + arguments.front() + ": " +
                       std::strerror(error));
  }
  running_.push_back(pid);
  terminated_ = false;
  return pid;
}

std::vector<ChildProcesses::Ended> ChildProcesses::reap() {
  std::vector<Ended> ended;
  std::erase_if(running_, [&](pid_t pid) {
    int status = 0;
    const pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == 0) return false;
    const bool known = got == pid;  // or somebody else in this process has waited for it
    std::string fate = known ? describe(status) : "ended, with what status is not known";
    const bool failed = !known || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    ended.push_back({pid, std::move(fate), failed});
    return true;
  });
  return ended;
}

void ChildProcesses::signal_all(int signal) {
  for (pid_t pid : running_) kill(pid, signal);
}

void ChildProcesses::terminate() {
  if (!std::exchange(terminated_, true)) signal_all(SIGTERM);
}

void ChildProcesses::stop(core::Duration grace) {
  terminate();
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
