// A gRPC completion queue with the threads that take from it, on which any thread starts
// operations; and the place where ThreadSanitizer is told what gRPC hands from the thread that
// starts an operation to the one that takes its tag. Internal: includes gRPC.
#pragma once

#include <grpcpp/completion_queue.h>

#include <memory>
#include <shared_mutex>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::transport {

// An operation that gRPC is asked for. Its tag is a pointer to this class, not to a derived one.
class Operation {
 public:
  // Called when it has ended, `ok` as gRPC says, on a thread of the queue, which must not be
  // blocked.
  virtual void ended(bool ok) = 0;

 protected:
  ~Operation() = default;
};

class OperationQueue {
 public:
  explicit OperationQueue(
      std::unique_ptr<::grpc::CompletionQueue> queue = std::make_unique<::grpc::CompletionQueue>(),
      int threads = 1);
  // No operation may be started any more. Returns when those under way have ended; called on a
  // thread of the queue, at once.
  ~OperationQueue();
  OperationQueue(const OperationQueue&) = delete;
  OperationQueue& operator=(const OperationQueue&) = delete;

  // To start operations on.
  ::grpc::CompletionQueue* queue() const { return shared_->queue.get(); }

  // Runs `start`, which starts operations.
  template <typename Start>
  void start(Start start) {
    const std::shared_lock lock(shared_->mutex);
    start();
  }

  // Keeps `needed` alive until the last operation has ended, gRPC's own ones too. To be called
  // before any is started.
  void keep(std::shared_ptr<const void> needed) { shared_->kept = std::move(needed); }

  bool is_on_its_thread() const;

 private:
  struct Shared {
    // Waits for the end of an operation, as grpc::CompletionQueue::Next() does. False: the queue
    // has been shut down and there are none left.
    bool next(void** tag, bool* ok);

    std::unique_ptr<::grpc::CompletionQueue> queue;
    std::shared_ptr<const void> kept;
    std::shared_mutex mutex;  // shared: while operations are started
  };

  static void take(const std::shared_ptr<Shared>& shared);

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::vector<std::thread> threads_;
};

}  // namespace sluice::transport
