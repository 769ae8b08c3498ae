#include "launch/child_processes.h"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

namespace sluice::launch {
namespace {

std::string describe(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return fmt::format("was killed by signal {} ({})", signal, strsignal(signal));
  }
  return "ended with exit status " + std::to_string(WEXITSTATUS(status));
}

std::string in_mib(int64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

std::string describe(const core::MemoryBound& bound) {
  if (bound.limit_bytes == 0) return "this host ran out of it";
  const std::string peak = bound.peak_bytes > 0 ? fmt::format(", of which {} were in use at most",
                                                              in_mib(bound.peak_bytes))
                                                : "";
  return fmt::format("the limit of this container or service is {}{}", in_mib(bound.limit_bytes),
                     peak);
}

bool take_sigchld() {
  struct sigaction action {};
  sigaction(SIGCHLD, nullptr, &action);
  const bool ignored = action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0;
  if (ignored) signal(SIGCHLD, SIG_DFL);
  return ignored;
}

// What a signal handler of this program would change belongs to the parent.
void drop_handlers() {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) != 0) continue;
    if (action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL) signal(number, SIG_DFL);
  }
}

// Starts this program anew, as a process that the kernel kills when its parent dies: posix_spawn()
// cannot ask for that, and a child that asks itself may be stopped before it has. `error` is set,
// and nothing returned, when it cannot be done. Between vfork() and execve() the child has the
// parent's memory and may do next to nothing.
pid_t spawn(char* const* argv, char* const* environment, volatile int& error) {
  const pid_t parent = getpid();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = 0;
  const pid_t child = vfork();
  if (child == 0) {
    drop_handlers();
    for (const int told_by_parent : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) {
      signal(told_by_parent, SIG_IGN);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(128 + SIGKILL);  // gone before that
    sigprocmask(SIG_SETMASK, &before, nullptr);
    execve("/proc/self/exe", argv, environment);
    error = errno;
    _exit(127);
  }
  if (child < 0) error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child > 0 && error != 0) ::waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

ChildProcesses::ChildProcesses(std::function<void(const Ended&)> on_end,
                               std::function<core::MemoryBound()> memory)
    : sigchld_was_ignored_(take_sigchld()),
      on_end_(std::move(on_end)),
      memory_(std::move(memory)),
      killed_for_memory_(memory_().killed) {}

ChildProcesses::~ChildProcesses() {
  stop(std::chrono::milliseconds(500));
  if (sigchld_was_ignored_) signal(SIGCHLD, SIG_IGN);
}

Result<pid_t> ChildProcesses::start(const std::vector<std::string>& arguments,
                                    const std::vector<std::string>& defaults) {
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
  volatile int error = 0;
  const pid_t pid = spawn(argv.data(), environment.data(), error);
  if (error != 0) {
    return unavailable(
        fmt::format("cannot start a process of {}: {}", arguments.front(), std::strerror(error)));
  }
  std::lock_guard lock(mutex_);
  try {
    watches_.emplace_back([this, pid] { watch(pid); });
  } catch (const std::exception& none) {  // no thread is to be had
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return unavailable(
        fmt::format("cannot watch over a process of {}: {}", arguments.front(), none.what()));
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
  Ended ended{pid, "ended, with what status is not known"};
  {
    std::lock_guard lock(mutex_);
    int status = 0;
    // Or somebody else in this process has waited for it.
    if (::waitpid(pid, &status, 0) == pid) ended.fate = fate_of(status);
    running_.erase(pid);
    asked_.erase(pid);
    ended_.notify_all();
  }
  on_end_(ended);
}

// With the lock. The kernel counts whom it kills for want of memory before they are gone.
std::string ChildProcesses::fate_of(int status) {
  const std::string fate = describe(status);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) return fate;
  const core::MemoryBound bound = memory_();
  if (bound.killed <= killed_for_memory_) return fate;
  ++killed_for_memory_;  // others that were killed with it are heard of next
  return fmt::format(
      "{} for want of memory: {}; allow more, or take fewer workers or a smaller --batch-size",
      fate, describe(bound));
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

void ChildProcesses::terminate(pid_t pid) {
  std::lock_guard lock(mutex_);
  if (running_.contains(pid) && asked_.insert(pid).second) ::kill(pid, SIGTERM);
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

}  // namespace sluice::launch
