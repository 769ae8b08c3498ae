// Unary calls of bytes to one peer, many in flight, answered by the threads of a queue. Internal.
//
// Destroying the object cuts off what is in flight; everything has been answered when the
// destructor returns, except when it is called from within a reply of that queue.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>

#include "core/clock.h"
#include "core/reply.h"
#include "sluice/status.h"
#include "transport/grpc/call_status.h"
#include "transport/grpc/operation_queue.h"

namespace sluice::transport {

// What a call does while nobody listens at the peer's address: waits until its time is up, or fails
// with UNAVAILABLE at once.
enum class WhenAbsent { kWait, kFail };

class AsyncCalls {
 public:
  using Answer = Result<::grpc::ByteBuffer>;

  AsyncCalls(Peer peer, std::shared_ptr<OperationQueue> queue);
  ~AsyncCalls();
  AsyncCalls(const AsyncCalls&) = delete;
  AsyncCalls& operator=(const AsyncCalls&) = delete;

  // `method`: "/package.Service/Method".
  void start(const char* method, const ::grpc::ByteBuffer& request, core::Duration timeout,
             core::Reply<Answer> reply, WhenAbsent absent = WhenAbsent::kWait);
  // What is in flight is answered with CANCELLED, unless it just ended.
  void cut();

 private:
  struct Call;
  class Open;

  const std::shared_ptr<OperationQueue> queue_;
  const std::shared_ptr<Open> open_;  // calls keep it until they have ended
};

}  // namespace sluice::transport
