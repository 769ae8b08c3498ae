// Calls of the user's own operations (HostOp) that a step makes on a thread of CUDA's. What they
// throw cannot pass through CUDA: it is kept, and thrown again where the replica waits.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>

namespace sluice::backend::cuda {

class HostCalls {
 public:
  // For as long as one lives, run() does nothing: a warm-up launches the kernels of a step, but
  // must not call the user's operations.
  class Pause {
   public:
    explicit Pause(HostCalls& calls) : calls_(calls) { calls_.enabled_.store(false); }
    Pause(const Pause&) = delete;
    ~Pause() { calls_.enabled_.store(true); }

   private:
    HostCalls& calls_;
  };

  // Runs `call` unless there is a Pause. Keeps the first exception.
  template <typename Call>
  void run(const Call& call) {
    if (!enabled_.load()) return;
    try {
      call();
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  // Throws the exception that was kept, once.
  void rethrow() {
    std::exception_ptr error;
    {
      std::lock_guard lock(mutex_);
      std::swap(error, error_);
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  std::atomic<bool> enabled_{true};
  std::mutex mutex_;
  std::exception_ptr error_;  // guarded by mutex_
};

}  // namespace sluice::backend::cuda
