#include "transport/grpc/call_status.h"

#include <fmt/core.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <utility>

namespace sluice::transport {
namespace {

constexpr char kMark[] = "sluice-status";
// Headers have 8 KiB in all, and a byte of a message may take three.
constexpr size_t kLongestMessage = 2000;

// gRPC says "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:7001: Failed
// to connect to remote host: Connection refused". The last part of it.
std::string last_part(const std::string& message) {
  const size_t colon = message.rfind(": ");
  std::string reason = colon == std::string::npos ? message : message.substr(colon + 2);
  const bool is_word = reason.size() > 1 && std::islower(static_cast<unsigned char>(reason[1]));
  if (is_word) {
    reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  }
  return reason;
}

// The address in such a message as we write it, or nothing.
std::string address_in(const std::string& message) {
  for (const std::string kind : {": ipv4:", ": ipv6:", ": unix:"}) {
    const size_t begin = message.rfind(kind);
    if (begin == std::string::npos) continue;
    const size_t end = message.find(": ", begin + kind.size());
    const bool is_unix = kind == ": unix:";
    const size_t text = begin + (is_unix ? 2 : kind.size());
    std::string address = message.substr(text, end - text);
    for (const auto& [code, bracket] : {std::pair("%5B", "["), std::pair("%5D", "]")}) {
      const size_t at = address.find(code);
      if (at != std::string::npos) address.replace(at, 3, bracket);
    }
    return address;
  }
  return "";
}

// In words of people where gRPC's are those of its own parts.
std::string reason_in(const std::string& message, const Peer& peer) {
  const std::string reason = last_part(message);
  if (reason == "tcp handshaker shutdown" || reason.find("SETTINGS frame") != std::string::npos) {
    return "nothing answers there: the host is down, or a firewall drops what is sent to it";
  }
  // Whoever calls lacks them, not the peer.
  if (reason == "too many open files") {
    return "this process has too many open files: raise its limit with ulimit -n";
  }
  if (message.find("DNS resolution failed") == std::string::npos) return reason;
  const bool advice = std::string_view(peer.role) == "server";
  return fmt::format("this host does not know the name {}: {}{}",
                     peer.address.substr(0, peer.address.rfind(':')), reason,
                     advice ? "; --advertise gives the server another" : "");
}

// Why the peer cannot be reached, with the address that its name stood for.
std::string reason_of(const std::string& message, const Peer& peer) {
  const std::string tried = address_in(message);
  const bool is_news = !tried.empty() && tried != peer.address;
  return (is_news ? tried + ": " : "") + reason_in(message, peer);
}

// "Received message larger than max (5242880 vs. 4194304)", whichever end says so.
std::string about_size(const std::string& message) {
  size_t bytes = 0;
  size_t most = 0;
  const size_t numbers = message.find("larger than max (");
  if (numbers == std::string::npos ||
      std::sscanf(message.c_str() + numbers, "larger than max (%zu vs. %zu)", &bytes, &most) != 2) {
    return message;
  }
  return fmt::format("a message of {} bytes is larger than the {} that are taken", bytes, most);
}

// Why there is no connection: in this state a call that does not wait fails at once and says so.
std::string connection_problem(const Peer& peer) {
  if (peer.channel->GetState(false) != GRPC_CHANNEL_TRANSIENT_FAILURE) return "no connection yet";
  ::grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  const ::grpc::internal::RpcMethod method("/sluice.v1.Nobody/Probe",
                                           ::grpc::internal::RpcMethod::NORMAL_RPC);
  const ::grpc::Slice nothing;
  const ::grpc::ByteBuffer request(&nothing, 1);
  ::grpc::ByteBuffer reply;
  const ::grpc::Status status =
      ::grpc::internal::BlockingUnaryCall<::grpc::ByteBuffer, ::grpc::ByteBuffer>(
          peer.channel.get(), method, &context, request, &reply);
  if (status.error_code() != ::grpc::StatusCode::UNAVAILABLE) return "no connection yet";
  return reason_of(status.error_message(), peer);
}

}  // namespace

::grpc::Status to_grpc(const Status& status, ::grpc::ServerContextBase& context) {
  if (status.ok()) return ::grpc::Status::OK;
  context.AddTrailingMetadata(kMark, "1");
  return {static_cast<::grpc::StatusCode>(status.code()),
          status.message().substr(0, kLongestMessage)};
}

Status from_grpc(const ::grpc::Status& status, const ::grpc::ClientContext& context,
                 const Peer& peer, core::Duration timeout) {
  if (status.ok()) return ok_status();
  const auto code = static_cast<StatusCode>(status.error_code());
  if (context.GetServerTrailingMetadata().contains(kMark)) return {code, status.error_message()};
  const std::string who = peer.role + (" at " + peer.address);
  switch (code) {
    case StatusCode::kDeadlineExceeded:
      if (peer.channel->GetState(false) == GRPC_CHANNEL_READY) {
        return deadline_exceeded(
            fmt::format("{} did not answer within {:.1f} s", who, core::to_seconds(timeout)));
      }
      return unavailable(fmt::format("{} does not answer ({})", who, connection_problem(peer)));
    case StatusCode::kUnavailable:
      return unavailable(
          fmt::format("{} does not answer ({})", who, reason_of(status.error_message(), peer)));
    // How gRPC reports a connection or a peer that broke off in the middle: worth another attempt.
    case StatusCode::kCancelled:
    case StatusCode::kUnknown:
    case StatusCode::kInternal:
      return unavailable(
          fmt::format("{} broke off the call ({})", who, last_part(status.error_message())));
    case StatusCode::kUnimplemented:
      return {code,
              fmt::format("{} does not know this call; is it a Sluice {} of the same version?", who,
                          peer.role)};
    case StatusCode::kResourceExhausted:
      return {code, who + ": " + about_size(status.error_message())};
    default:
      return Status(code, status.error_message()).with_context(who);
  }
}

void prepare(::grpc::ClientContext& context, core::Duration timeout) {
  context.set_wait_for_ready(true);
  context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(core::bounded(timeout)));
}

}  // namespace sluice::transport
