// Blocks a signal that a write may send to its own thread, SIGXFSZ or SIGPIPE, and discards it: the
// write fails with an errno instead.
#pragma once

#include <cerrno>
#include <csignal>
#include <ctime>

namespace sluice::core {

// For as long as this lives, on this thread.
class BlockedSignal {
 public:
  explicit BlockedSignal(int signal) {
    sigemptyset(&signal_);
    sigaddset(&signal_, signal);
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~BlockedSignal() {
    const int error = errno;
    const timespec now{};
    while (sigtimedwait(&signal_, nullptr, &now) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  BlockedSignal(const BlockedSignal&) = delete;
  BlockedSignal& operator=(const BlockedSignal&) = delete;

 private:
  sigset_t signal_{};
  sigset_t before_{};
};

}  // namespace sluice::core
