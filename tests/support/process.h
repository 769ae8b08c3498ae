// A child process whose output the test reads, and that never outlives the test.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace sluice::testing_support {

// A program in the folder of this one.
inline std::string program_beside_this(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

// Processes that any thread of this one has started and that have not been waited for.
inline std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> result;
  std::error_code gone;
  const std::string threads = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& thread : std::filesystem::directory_iterator(threads, gone)) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child; file >> child;) result.push_back(child);
  }
  return result;
}

// Used by one thread.
class Process {
 public:
  // In a process group of its own, its standard output and error in one pipe.
  explicit Process(const std::vector<std::string>& arguments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    if (posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    output_fd_ = ends[0];
  }
  Process(const Process&) = delete;
  ~Process() {
    if (running()) {
      kill(-pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (output_fd_ >= 0) close(output_fd_);
  }

  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }

  void signal(int number) { kill(pid_, number); }
  void signal_group(int number) { kill(-pid_, number); }

  // Waits until `text` has been written; false after `timeout` or at the end of the output.
  bool wait_for_output(const std::string& text, std::chrono::seconds timeout) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (output_.find(text) == std::string::npos) {
      if (!read_some(until)) return false;
    }
    return true;
  }

  // Waits until the pipe of its output, which the test leaves unread, has had no room for a second.
  // The pipe is made as small as pipes can be: a slow program must fill it too.
  bool wait_until_output_is_stuck(std::chrono::seconds timeout) const {
    const int room = fcntl(output_fd_, F_SETPIPE_SZ, 4096);
    const int full = (room > 0 ? room : 65536) - 512;  // no line is longer
    const auto until = std::chrono::steady_clock::now() + timeout;
    for (int before = -1, seconds = 0; std::chrono::steady_clock::now() < until; ++seconds) {
      int unread = 0;
      if (ioctl(output_fd_, FIONREAD, &unread) != 0) return false;
      if (unread == before && unread > full) return true;
      before = unread;
      usleep(1000000);
    }
    return false;
  }

  // Waits for the end and returns the exit status, 128 + n for signal n, -1 after `timeout`.
  int wait(std::chrono::seconds timeout) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (read_some(until)) {
    }
    while (std::chrono::steady_clock::now() < until) {
      if (!running()) return exit_status_;
      usleep(2000);
    }
    return running() ? -1 : exit_status_;
  }

  bool running() {
    if (pid_ <= 0 || ended_) return false;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
    ended_ = true;
    exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
  }

  std::vector<pid_t> children() const { return children_of(pid_); }

 private:
  bool read_some(std::chrono::steady_clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd poll_fd{output_fd_, POLLIN, 0};
    if (left.count() <= 0 || poll(&poll_fd, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[4096];
    const ssize_t n = read(output_fd_, buffer, sizeof(buffer));
    if (n <= 0) return false;
    output_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  pid_t pid_ = -1;
  int output_fd_ = -1;
  bool ended_ = false;
  int exit_status_ = -1;
  std::string output_;
};

// The arguments of a process, as it was started.
inline std::vector<std::string> command_line(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

inline bool alive(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t end = stat.rfind(')');
  return end != std::string::npos && stat.size() > end + 2 && stat[end + 2] != 'Z';
}

}  // namespace sluice::testing_support
