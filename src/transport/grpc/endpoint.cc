#include "transport/grpc/endpoint.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <utility>

namespace sluice::transport {
namespace {

constexpr int kSecond = 1000;  // gRPC's arguments are in milliseconds

void set_server_options(::grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  // Otherwise a second server on the same port would start, and get half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Notices a peer that is gone without a word, and allows clients to do the same.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

::grpc::ChannelArguments channel_options() {
  ::grpc::ChannelArguments options;
  options.SetMaxReceiveMessageSize(-1);
  options.SetMaxSendMessageSize(-1);
  // Two channels to one server are two connections.
  options.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Large messages cannot be retried by gRPC; who makes the call retries, with the same identity.
  options.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A training cluster's own addresses are never behind the user's web proxy.
  options.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  options.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kSecond / 10);
  options.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2 * kSecond);
  options.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2 * kSecond);
  options.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20 * kSecond);
  options.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10 * kSecond);
  options.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  options.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return options;
}

}  // namespace

Result<Endpoint> open_endpoint(const std::string& text,
                               const std::function<void(::grpc::ServerBuilder&)>& add_services) {
  SLUICE_ASSIGN_OR_RETURN(SocketAddress address, parse_address(text));
  SLUICE_ASSIGN_OR_RETURN(SocketAddress bound, resolve(address));
  // gRPC would take a Unix socket away from whoever listens on it.
  if (bound.is_unix()) SLUICE_RETURN_IF_ERROR(check_free(bound));

  ::grpc::ServerBuilder builder;
  set_server_options(builder);
  int port = 0;
  builder.AddListeningPort(bound.to_string(), ::grpc::InsecureServerCredentials(), &port);
  add_services(builder);
  Endpoint endpoint;
  endpoint.server = builder.BuildAndStart();
  if (!endpoint.server) {
    SLUICE_RETURN_IF_ERROR(check_free(bound));
    return unavailable("cannot listen on " + text +
                       ": the address was in use a moment ago; try "
                       "again");
  }
  if (!bound.is_unix()) address.port = port;
  endpoint.address = address.to_string();
  endpoint.file = std::make_unique<SocketFile>(bound);
  return endpoint;
}

Result<Peer> connect_to(const char* role, const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(const SocketAddress address, parse_address(text));
  return Peer{role, text,
              ::grpc::CreateCustomChannel(address.to_string(), ::grpc::InsecureChannelCredentials(),
                                          channel_options())};
}

}  // namespace sluice::transport
