// Listens for a service whose methods take bytes and answer with bytes, now or later. Internal:
// includes gRPC.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/reply.h"
#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::transport {

struct Method {
  using Reply = core::Reply<Result<::grpc::ByteBuffer>>;

  const char* name;  // "/package.Service/Method"
  // Called from several threads at once, which it does not block. What it throws is answered with
  // INTERNAL.
  std::function<void(::grpc::ByteBuffer request, Reply reply)> handle;
};

// Threads of the listener's own take calls from gRPC; none waits for an answer. Answers may come
// from any thread, also when the listener is gone: those are dropped.
Result<std::unique_ptr<wire::Listener>> listen_for(const std::string& address,
                                                   std::vector<Method> methods,
                                                   const wire::ListenOptions& options);

}  // namespace sluice::transport
