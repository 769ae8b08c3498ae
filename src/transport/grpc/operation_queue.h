// A gRPC completion queue on which any thread starts operations, while it lives and while it is
// being shut down; and the place where ThreadSanitizer is told what gRPC hands from the thread that
// starts an operation to the one that takes its tag. Internal: includes gRPC.
#pragma once

#include <grpcpp/completion_queue.h>

#include <memory>
#include <shared_mutex>
#include <utility>

namespace sluice::transport {

class OperationQueue {
 public:
  explicit OperationQueue(std::unique_ptr<::grpc::CompletionQueue> queue)
      : queue_(std::move(queue)) {}

  // To start operations on.
  ::grpc::CompletionQueue* queue() const { return queue_.get(); }

  // Runs `start`, which starts operations. False, and nothing is run: the queue takes no more.
  template <typename Start>
  bool start(Start start) {
    std::shared_lock lock(mutex_);
    if (closed_) return false;
    start();
    return true;
  }

  // Waits for the end of an operation, as grpc::CompletionQueue::Next() does. False: the queue has
  // been shut down and there are none left.
  bool next(void** tag, bool* ok);

  // Takes no more operations. Returns when those that are being started have been.
  void shut_down();

 private:
  const std::unique_ptr<::grpc::CompletionQueue> queue_;

  std::shared_mutex mutex_;  // shared: while operations are started
  bool closed_ = false;
};

}  // namespace sluice::transport
