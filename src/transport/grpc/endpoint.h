// How both planes open a server and a channel: gRPC's settings in one place. Internal.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

#include <cstddef>
#include <memory>
#include <string>

#include "sluice/status.h"
#include "transport/grpc/call_status.h"

namespace sluice::transport {

// How long a peer may leave what was sent to it unacknowledged.
inline constexpr int kSilenceMilliseconds = 10'000;

// Settings of a server, whose connections an Acceptor brings. Larger messages are refused with
// RESOURCE_EXHAUSTED before they are received.
void configure(::grpc::ServerBuilder& builder, size_t max_message_bytes);

// How long calls in progress may take to end when a listener is destroyed.
inline constexpr auto kShutdownGrace = std::chrono::milliseconds(500);

// A connection of its own to the peer; larger answers are refused with RESOURCE_EXHAUSTED.
// INVALID_ARGUMENT: the address is none.
Result<Peer> connect_to(const char* role, const std::string& address, size_t max_answer_bytes);

}  // namespace sluice::transport
