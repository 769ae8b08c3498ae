// The transports that the tests run over, and blocking forms of a channel's calls.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "server/parameter_server.h"
#include "server/update_rule.h"
#include "transport/grpc/grpc_transport.h"
#include "transport/inproc/inproc_transport.h"
#include "wire/transport.h"

namespace sluice::transport {

enum class TransportKind { kInproc, kInprocOddPieces, kGrpcTcp, kGrpcUnix };

inline std::string to_string(TransportKind kind) {
  switch (kind) {
    case TransportKind::kInproc:
      return "Inproc";
    case TransportKind::kInprocOddPieces:
      return "InprocOddPieces";
    case TransportKind::kGrpcTcp:
      return "Tcp";
    case TransportKind::kGrpcUnix:
      return "Unix";
  }
  return "";
}

inline std::unique_ptr<wire::Transport> make_transport(TransportKind kind) {
  switch (kind) {
    case TransportKind::kInproc:
      return std::make_unique<InprocTransport>();
    case TransportKind::kInprocOddPieces:
      return std::make_unique<InprocTransport>(InprocOptions{{1, 7, 8192, 3, 100'001}});
    default:
      return std::make_unique<GrpcTransport>();
  }
}

// An address that nobody else uses.
inline std::string any_address(TransportKind kind) {
  static int count = 0;
  if (kind == TransportKind::kGrpcTcp) return "127.0.0.1:0";
  if (kind != TransportKind::kGrpcUnix) return "";
  return "unix:" + (std::filesystem::temp_directory_path() /
                    ("sluice-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count)))
                       .string();
}

inline constexpr wire::CallOptions kSoon{std::chrono::seconds(20)};

inline wire::Payload payload_of(std::vector<float> values) {
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  const std::span<const float> span(*owner);
  return {std::move(owner), span};
}

// Starts a call, and hands out its result when it is there.
template <typename T, typename Start>
Result<T> wait_for(Start start) {
  const auto promise = std::make_shared<std::promise<Result<T>>>();
  start([promise](Result<T> result) { promise->set_value(std::move(result)); });
  return promise->get_future().get();
}

using PulledVersion = wire::ParameterChannel::PulledVersion;

inline Result<PulledVersion> exchange(wire::ParameterChannel& channel,
                                      const wire::PushHeader& header, wire::Payload update,
                                      std::span<float> into,
                                      const wire::CallOptions& options = kSoon) {
  return wait_for<PulledVersion>(
      [&](auto done) { channel.exchange(header, std::move(update), into, options, done); });
}

inline Result<wire::PushReply> push(wire::ParameterChannel& channel, const wire::PushHeader& header,
                                    wire::Payload update,
                                    const wire::CallOptions& options = kSoon) {
  return wait_for<wire::PushReply>(
      [&](auto done) { channel.push(header, std::move(update), options, done); });
}

inline Result<PulledVersion> pull(wire::ParameterChannel& channel, uint64_t job, int shard,
                                  std::span<float> into, const wire::CallOptions& options = kSoon) {
  return wait_for<PulledVersion>([&](auto done) { channel.pull(job, shard, into, options, done); });
}

inline wire::PushHeader header_of(uint64_t job, int shard, const wire::PushIdentity& id) {
  wire::PushHeader header;
  header.job = job;
  header.shard = shard;
  header.id = id;
  return header;
}

}  // namespace sluice::transport
