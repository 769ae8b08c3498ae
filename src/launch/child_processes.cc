#include "launch/child_processes.h"

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace sluice::launch {
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
  std::lock_guard lock(mutex_);
  try {
    watches_.emplace_back([this, pid] { watch(pid); });
  } catch (const std::exception& none) {  // no thread is to be had
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return unavailable("cannot watch over a process of " + arguments.front() + ": " + none.what());
  }
  running_.insert(pid);
  return pid;
}

// The child is taken from the kernel under the lock, so that nobody signals a process that has got
// its number after it.
void ChildProcesses::watch(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  Ended ended{pid, "ended, with what status is not known", true};
  {
    std::lock_guard lock(mutex_);
    int status = 0;
    if (::waitpid(pid, &status, 0) == pid) {  // or somebody else in this process has waited for it
      ended.fate = describe(status);
      ended.failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    running_.erase(pid);
    asked_.erase(pid);
    ended_.notify_all();
  }
  on_end_(ended);
}

bool ChildProcesses::empty() const {
  std::lock_guard lock(mutex_);
  return running_.empty();
}

void ChildProcesses::ask_to_end() {
  for (const pid_t pid : running_) {
    if (asked_.insert(pid).second) ::kill(pid, SIGTERM);
  }
}

void ChildProcesses::terminate() {
  std::lock_guard lock(mutex_);
  ask_to_end();
}

void ChildProcesses::kill(pid_t pid) {
  std::lock_guard lock(mutex_);
  if (running_.contains(pid)) ::kill(pid, SIGKILL);
}

void ChildProcesses::stop(core::Duration grace) {
  std::vector<std::thread> watches;
  {
    std::unique_lock lock(mutex_);
    ask_to_end();
    if (!ended_.wait_for(lock, grace, [this] { return running_.empty(); })) {
      for (const pid_t pid : running_) ::kill(pid, SIGKILL);
      ended_.wait(lock, [this] { return running_.empty(); });
    }
    watches.swap(watches_);
  }
  for (std::thread& thread : watches) thread.join();
}

void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(128 + SIGKILL);
}

}  // namespace sluice::launch
