// How a Status crosses a gRPC call. Internal: includes gRPC.
//
// A service's Status arrives unchanged; a trailer marks it. What gRPC itself has to report becomes
// one line that names the peer.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <memory>
#include <string>

#include "core/clock.h"
#include "sluice/status.h"

namespace sluice::transport {

// At the server: marks the call as answered by the service. Messages longer than headers can be
// are cut.
::grpc::Status to_grpc(const Status& status, ::grpc::ServerContextBase& context);

// At the client. `peer`: "server" or "driver".
struct Peer {
  const char* role;
  std::string address;
  std::shared_ptr<::grpc::Channel> channel;
};
Status from_grpc(const ::grpc::Status& status, const ::grpc::ClientContext& context,
                 const Peer& peer, core::Duration timeout);

// Sets what every call needs: the deadline, and to wait for a peer that is not there yet.
void prepare(::grpc::ClientContext& context, core::Duration timeout);

}  // namespace sluice::transport
