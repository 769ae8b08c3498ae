// Where a call came from. Internal: includes gRPC.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

namespace sluice::transport {

// Numeric addresses without a port; empty for a Unix socket.
struct Caller {
  std::string host;    // the caller's
  std::string called;  // this host's, by which the caller reached it
};

// The caller of a call that has not been answered yet.
Caller caller_of(const ::grpc::ServerContext& call);

}  // namespace sluice::transport
