// How both planes open a server and a channel: gRPC's settings in one place. Internal.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <string>

#include "sluice/status.h"
#include "transport/grpc/call_status.h"
#include "transport/grpc/socket_address.h"

namespace sluice::transport {

// A started server and where it listens.
struct Endpoint {
  std::string address;  // with the real port
  std::unique_ptr<SocketFile> file;
  std::unique_ptr<::grpc::Server> server;
};

// `add_services` completes the builder. INVALID_ARGUMENT, UNAVAILABLE: see GrpcTransport::listen().
Result<Endpoint> open_endpoint(const std::string& address,
                               const std::function<void(::grpc::ServerBuilder&)>& add_services);

// How long calls in progress may take to end when a listener is destroyed.
inline constexpr auto kShutdownGrace = std::chrono::milliseconds(500);

// A connection of its own to the peer. INVALID_ARGUMENT: the address is none.
Result<Peer> connect_to(const char* role, const std::string& address);

}  // namespace sluice::transport
