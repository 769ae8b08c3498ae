// What an operation of the user's program has thrown on a thread of CUDA's.
#pragma once

#include <exception>
#include <mutex>

namespace sluice::backend::cuda {

class HostFailure {
 public:
  // The first one counts.
  void set(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
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
  std::mutex mutex_;
  std::exception_ptr error_;  // guarded by mutex_
};

}  // namespace sluice::backend::cuda
