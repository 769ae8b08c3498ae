// Listens for a service whose methods take bytes and answer with bytes, now or later. Internal:
// includes gRPC.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/reply.h"
#include "sluice/status.h"
#include "transport/grpc/operation_queue.h"
#include "wire/transport.h"

namespace sluice::transport {

struct Method {
  using Reply = core::Reply<Result<::grpc::ByteBuffer>>;

  const char* name;  // "/package.Service/Method"
  // Called from several threads at once; must not block them. An exception is answered with
  // INTERNAL. `call`: for caller_of().
  std::function<void(::grpc::ByteBuffer request, const ::grpc::ServerContext& call, Reply reply)>
      handle;
};

struct Listening {
  std::unique_ptr<wire::Listener> listener;
  std::shared_ptr<OperationQueue> queue;  // whose threads take its calls; may outlive it
};

// No thread waits for an answer. Answers may come from any thread; those that come after the
// listener is destroyed are dropped. It must not be destroyed on a thread of its queue.
Result<Listening> listen_for(const std::string& address, std::vector<Method> methods,
                             const wire::ListenOptions& options);

}  // namespace sluice::transport
