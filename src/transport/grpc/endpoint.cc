#include "transport/grpc/endpoint.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <climits>

#include "transport/grpc/socket_address.h"

namespace sluice::transport {
namespace {

constexpr int kSecond = 1000;  // gRPC's arguments are in milliseconds

// As gRPC counts: 32 bits, and -1 for more.
int bound(size_t bytes) {
  return bytes < static_cast<size_t>(INT_MAX) ? static_cast<int>(bytes) : -1;
}

::grpc::ChannelArguments channel_options(size_t max_answer_bytes) {
  ::grpc::ChannelArguments options;
  options.SetMaxReceiveMessageSize(bound(max_answer_bytes));
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
  // A peer that came back elsewhere under its name; gRPC would not look again within 30 s.
  options.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kSecond);
  options.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20 * kSecond);
  options.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kSilenceMilliseconds);
  options.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  options.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return options;
}

}  // namespace

void configure(::grpc::ServerBuilder& builder, size_t max_message_bytes) {
  builder.SetMaxReceiveMessageSize(bound(max_message_bytes));
  builder.SetMaxSendMessageSize(-1);
  // Notices a peer that is gone without a word, and allows clients to do the same.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kSilenceMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

Result<Peer> connect_to(const char* role, const std::string& text, size_t max_answer_bytes) {
  SLUICE_ASSIGN_OR_RETURN(const SocketAddress address, parse_address(text));
  return Peer{role, text,
              ::grpc::CreateCustomChannel(address.to_string(), ::grpc::InsecureChannelCredentials(),
                                          channel_options(max_answer_bytes))};
}

}  // namespace sluice::transport
