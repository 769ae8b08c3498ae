// The data plane's structs as the protobuf messages of proto/parameters.proto, and back. Internal.
//
// What comes from the network is checked here only for being representable; the service checks
// whether it makes sense.
#pragma once

#include "compression/compression.h"
#include "parameters.pb.h"
#include "wire/move.h"
#include "wire/parameters.h"

namespace sluice::transport {

v1::Encoding to_proto(const compression::Compression& encoding);
compression::Compression from_proto(const v1::Encoding& encoding);

v1::Wanted to_proto(const wire::Wanted& wanted);
wire::Wanted from_proto(const v1::Wanted& wanted);

v1::Shard to_proto(const wire::Shard& shard);
wire::Shard from_proto(const v1::Shard& shard);

template <typename Shards>
wire::ShardMap shard_map_from(const Shards& shards) {
  std::vector<wire::Shard> result;
  result.reserve(static_cast<size_t>(shards.size()));
  for (const v1::Shard& shard : shards) result.push_back(from_proto(shard));
  return wire::ShardMap(std::move(result));
}

v1::CreateRequest to_proto(const wire::CreateRequest& request);
wire::CreateRequest from_proto(const v1::CreateRequest& request);

v1::AssignHeader to_proto(const wire::AssignRequest& request);
wire::AssignRequest from_proto(const v1::AssignHeader& header);

v1::EpochMetrics to_proto(const wire::EpochMetrics& metrics);
wire::EpochMetrics from_proto(const v1::EpochMetrics& metrics);

v1::PushHeader to_proto(const wire::PushHeader& header);
wire::PushHeader from_proto(const v1::PushHeader& header);

v1::PushReply to_proto(const wire::PushReply& reply);
wire::PushReply from_proto(const v1::PushReply& reply);

v1::PullRequest to_proto(const wire::PullRequest& request);
wire::PullRequest from_proto(const v1::PullRequest& request);

v1::Gate to_proto(const wire::Gate& gate);
wire::Gate from_proto(const v1::Gate& gate);

v1::FenceRequest to_proto(const wire::FenceRequest& request);
wire::FenceRequest from_proto(const v1::FenceRequest& request);

v1::FenceReply to_proto(const wire::FenceReply& reply);
wire::FenceReply from_proto(const v1::FenceReply& reply);

v1::GateRequest to_proto(const wire::GateRequest& request);
wire::GateRequest from_proto(const v1::GateRequest& request);

v1::PingReply to_proto(const wire::PingReply& reply);
wire::PingReply from_proto(const v1::PingReply& reply);

v1::LedgerRequest to_proto(const wire::LedgerRequest& request);
wire::LedgerRequest from_proto(const v1::LedgerRequest& request);

v1::LedgerReply to_proto(const wire::LedgerReply& reply);
wire::LedgerReply from_proto(const v1::LedgerReply& reply);

v1::MoveRequest to_proto(const wire::MoveRequest& request);
wire::MoveRequest from_proto(const v1::MoveRequest& request);

v1::MoveReply to_proto(const wire::MoveReply& reply);
wire::MoveReply from_proto(const v1::MoveReply& reply);

}  // namespace sluice::transport
