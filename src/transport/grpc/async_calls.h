// Unary calls of bytes to one peer, many in flight, answered by a thread of their own. Internal.
//
// Destroying the object cuts off what is in flight; everything has been answered when the
// destructor returns, except when it is called from within a reply.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <thread>

#include "core/clock.h"
#include "core/reply.h"
#include "sluice/status.h"
#include "transport/grpc/call_status.h"

namespace sluice::transport {

class AsyncCalls {
 public:
  using Answer = Result<::grpc::ByteBuffer>;

  explicit AsyncCalls(Peer peer);
  ~AsyncCalls();
  AsyncCalls(const AsyncCalls&) = delete;
  AsyncCalls& operator=(const AsyncCalls&) = delete;

  // `method`: "/package.Service/Method".
  void start(const char* method, const ::grpc::ByteBuffer& request, core::Duration timeout,
             core::Reply<Answer> reply);
  // What is in flight is answered with CANCELLED, unless it just ended.
  void cut();

 private:
  struct Call;
  struct Shared;

  static void complete(std::shared_ptr<Shared> shared);

  const std::shared_ptr<Shared> shared_;  // the thread keeps it until its last call has ended
  std::thread thread_;
};

}  // namespace sluice::transport
