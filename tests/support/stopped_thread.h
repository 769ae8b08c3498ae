// A thread of another process that stands still, as in a read that never returns, while the others
// go on.
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace sluice::testing_support {

// Used by one thread, the tracer; the other goes on when this is destroyed.
class StoppedThread {
 public:
  // The first of the process's threads that has this name: those that it starts inherit it.
  StoppedThread(pid_t process, const std::string& name) {
    const std::string threads = "/proc/" + std::to_string(process) + "/task";
    for (const auto& thread : std::filesystem::directory_iterator(threads)) {
      std::string its;
      std::ifstream(thread.path() / "comm") >> its;
      const pid_t id = std::stoi(thread.path().filename());
      if (its == name && (thread_ == 0 || id < thread_)) thread_ = id;
    }
    if (thread_ == 0 || ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) != 0) return;
    ok_ = ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
          waitpid(thread_, nullptr, __WALL) == thread_;
    // Its process is not gone, when it is killed, before the tracer has heard of it.
    reaps_ = std::thread([thread = thread_] {
      int status = 0;
      while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
      }
    });
  }
  StoppedThread(const StoppedThread&) = delete;
  ~StoppedThread() {
    if (!reaps_.joinable()) return;
    ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
    reaps_.join();
  }

  bool ok() const { return ok_; }

 private:
  pid_t thread_ = 0;
  bool ok_ = false;
  std::thread reaps_;
};

}  // namespace sluice::testing_support
