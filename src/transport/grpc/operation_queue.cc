#include "transport/grpc/operation_queue.h"

#include <grpc/grpc.h>
#include <grpcpp/impl/codegen/completion_queue_tag.h>

namespace sluice::transport {

#ifdef __SANITIZE_THREAD__

// As Next(), with a pause in which ThreadSanitizer sees that all that was written in start()
// happened before: FinalizeResult() reads it, and most of both is code in gRPC's headers, compiled
// with ours.
bool OperationQueue::next(void** tag, bool* ok) {
  for (;;) {
    const grpc_event event =
        grpc_completion_queue_next(queue_->cq(), gpr_inf_future(GPR_CLOCK_REALTIME), nullptr);
    if (event.type == GRPC_QUEUE_SHUTDOWN) return false;
    { const std::lock_guard all_have_started(mutex_); }
    const std::shared_lock starting(mutex_);  // it may start another operation itself
    *tag = event.tag;
    *ok = event.success != 0;
    auto* operation = static_cast<::grpc::internal::CompletionQueueTag*>(event.tag);
    if (operation->FinalizeResult(tag, ok)) return true;
  }
}

#else

bool OperationQueue::next(void** tag, bool* ok) { return queue_->Next(tag, ok); }

#endif

void OperationQueue::shut_down() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  queue_->Shutdown();
}

}  // namespace sluice::transport
