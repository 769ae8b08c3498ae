#include "transport/grpc/operation_queue.h"

#include <grpc/grpc.h>
#include <grpcpp/impl/codegen/completion_queue_tag.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace sluice::transport {

OperationQueue::OperationQueue(std::unique_ptr<::grpc::CompletionQueue> queue, int threads) {
  shared_->queue = std::move(queue);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([shared = shared_] { take(shared); });
}

OperationQueue::~OperationQueue() {
  shared_->queue->Shutdown();
  const bool on_its_thread = is_on_its_thread();
  for (std::thread& thread : threads_) on_its_thread ? thread.detach() : thread.join();
}

bool OperationQueue::is_on_its_thread() const {
  return std::any_of(threads_.begin(), threads_.end(), [](const std::thread& thread) {
    return thread.get_id() == std::this_thread::get_id();
  });
}

void OperationQueue::take(const std::shared_ptr<Shared>& shared) {
  void* tag = nullptr;
  bool ok = false;
  while (shared->next(&tag, &ok)) static_cast<Operation*>(tag)->ended(ok);
}

#ifdef __SANITIZE_THREAD__

// As Next(), with a pause in which ThreadSanitizer sees that all that was written in start()
// happened before: FinalizeResult() reads it, and most of both is code in gRPC's headers, compiled
// with ours.
bool OperationQueue::Shared::next(void** tag, bool* ok) {
  for (;;) {
    const grpc_event event =
        grpc_completion_queue_next(queue->cq(), gpr_inf_future(GPR_CLOCK_REALTIME), nullptr);
    if (event.type == GRPC_QUEUE_SHUTDOWN) return false;
    { const std::lock_guard all_have_started(mutex); }
    const std::shared_lock starting(mutex);  // it may start another operation itself
    *tag = event.tag;
    *ok = event.success != 0;
    auto* operation = static_cast<::grpc::internal::CompletionQueueTag*>(event.tag);
    if (operation->FinalizeResult(tag, ok)) return true;
  }
}

#else

bool OperationQueue::Shared::next(void** tag, bool* ok) { return queue->Next(tag, ok); }

#endif

}  // namespace sluice::transport
