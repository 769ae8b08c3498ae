// What the operations of the user's program that a step calls on a thread of CUDA's have in common.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>

namespace sluice::backend::cuda {

class HostCalls {
 public:
  // While a step is only rehearsed, the program's own operations are left out.
  class Pause {
   public:
    explicit Pause(HostCalls& calls) : calls_(calls) { calls_.enabled_.store(false); }
    Pause(const Pause&) = delete;
    ~Pause() { calls_.enabled_.store(true); }

   private:
    HostCalls& calls_;
  };

  // Runs `call` unless they pause; keeps the first thing that is thrown. Nothing may be thrown
  // through CUDA.
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

  // Throws it, once.
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
