// The transports that the tests run over, and blocking forms of a channel's calls.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/real_world.h"
#include "server/parameter_server.h"
#include "tests/support/await.h"
#include "tests/support/update_rules.h"
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

using PulledVersion = wire::ParameterChannel::PulledVersion;

inline Result<PulledVersion> exchange(wire::ParameterChannel& channel,
                                      const wire::PushHeader& header, wire::Payload update,
                                      std::span<float> into,
                                      const wire::CallOptions& options = kSoon) {
  return await_result<PulledVersion>([&](auto reply) {
    channel.exchange(header, std::move(update), into, options, std::move(reply));
  });
}

inline Result<PulledVersion> pull(wire::ParameterChannel& channel, uint64_t job,
                                  wire::ShardRange shards, std::span<float> into,
                                  const wire::CallOptions& options = kSoon) {
  return await_result<PulledVersion>([&](auto reply) {
    channel.pull({job, shards}, into, options, std::move(reply));
  });
}

inline Status create(wire::ParameterChannel& channel, const wire::CreateRequest& request) {
  return await_status([&](auto reply) { channel.create(request, kSoon, std::move(reply)); });
}

inline Status assign(wire::ParameterChannel& channel, const wire::AssignRequest& request,
                     std::vector<float> values) {
  return await_status([&](auto reply) {
    channel.assign(request, payload_of(std::move(values)), kSoon, std::move(reply));
  });
}

inline Result<wire::LedgerReply> ledger(wire::ParameterChannel& channel, uint64_t job,
                                        const wire::CallOptions& options = kSoon) {
  return await_result<wire::LedgerReply>([&](auto reply) {
    channel.ledger({job, true}, options, std::move(reply));
  });
}

inline Status ping(wire::ParameterChannel& channel, uint64_t job,
                   const wire::CallOptions& options = kSoon) {
  return await_result<wire::PingReply>(
             [&](auto reply) { channel.ping(job, options, std::move(reply)); })
      .status();
}

inline Result<wire::AcquireReply> acquire(wire::ControlChannel& channel, int64_t member,
                                          const wire::CallOptions& options = kSoon) {
  return await_result<wire::AcquireReply>([&](auto reply) {
    channel.acquire({.job = 1, .member = member}, options, std::move(reply));
  });
}

inline Result<wire::JoinReply> join(wire::ControlChannel& channel, const wire::JoinRequest& request,
                                    const wire::CallOptions& options = kSoon) {
  return await_result<wire::JoinReply>(
      [&](auto reply) { channel.join(request, options, std::move(reply)); });
}

// A job that adds what is pushed, for eight partitions of as many pushes as one likes.
inline wire::CreateRequest adding(uint64_t job, const wire::ShardMap& map) {
  return {job, map, 0, add_rule_json(), std::vector<int64_t>(8, 1'000'000'000)};
}

inline wire::PushHeader header_of(uint64_t job, wire::ShardRange shards,
                                  const wire::PushIdentity& id) {
  wire::PushHeader header;
  header.job = job;
  header.shards = shards;
  header.id = id;
  return header;
}

}  // namespace sluice::transport
