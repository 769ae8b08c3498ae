#include "transport/grpc/control_messages.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

using transport::from_proto;
using transport::to_proto;

// In the order of the enums' values; checked where they are used.
constexpr v1::AcquireReply::Kind kAcquireKinds[] = {v1::AcquireReply::GRANTED,
                                                    v1::AcquireReply::WAIT, v1::AcquireReply::DONE,
                                                    v1::AcquireReply::ABORT};
constexpr v1::HeartbeatReply::Kind kHeartbeatKinds[] = {
    v1::HeartbeatReply::CONTINUE, v1::HeartbeatReply::LEASE_LOST, v1::HeartbeatReply::DONE,
    v1::HeartbeatReply::ABORT, v1::HeartbeatReply::DRAIN};

// The index of `kind` in the table; a kind that this version does not know becomes `unknown`.
template <typename Kind, typename Proto, size_t n>
Kind kind_from(Proto kind, const Proto (&table)[n], Kind unknown) {
  for (size_t i = 0; i < n; ++i) {
    if (table[i] == kind) return static_cast<Kind>(i);
  }
  return unknown;
}

core::Duration duration_from(int64_t nanoseconds) {
  constexpr core::Duration kLongest = std::chrono::hours(24);
  return std::clamp(core::Duration(nanoseconds), core::Duration(), kLongest);
}

v1::Knobs to_proto(const wire::Knobs& knobs) {
  v1::Knobs message;
  message.set_revision(knobs.revision);
  message.set_paused(knobs.paused);
  if (knobs.learning_rate) message.set_learning_rate(*knobs.learning_rate);
  if (knobs.max_staleness >= 0) message.set_max_staleness(knobs.max_staleness);
  return message;
}

v1::Placement to_proto(const wire::Placement& placement) {
  v1::Placement message;
  message.set_revision(placement.revision);
  for (const wire::Shard& shard : placement.shard_map.shards()) {
    *message.add_shards() = to_proto(shard);
  }
  for (const std::string& server : placement.servers) message.add_servers(server);
  return message;
}

wire::Placement from_proto(const v1::Placement& placement) {
  return {placement.revision(),
          shard_map_from(placement.shards()),
          {placement.servers().begin(), placement.servers().end()}};
}

wire::Knobs from_proto(const v1::Knobs& knobs) {
  wire::Knobs result{knobs.revision(), knobs.paused()};
  const float rate = knobs.learning_rate();
  if (knobs.has_learning_rate() && std::isfinite(rate) && rate >= 0) result.learning_rate = rate;
  if (knobs.has_max_staleness()) {
    result.max_staleness = std::max<int64_t>(knobs.max_staleness(), -1);
  }
  return result;
}

wire::Lease from_proto(const v1::Lease& lease) {
  return {lease.partition(), lease.incarnation(), lease.next_sequence(), lease.records(),
          lease.last()};
}

}  // namespace

v1::AcquireRequest to_proto(const wire::AcquireRequest& request) {
  v1::AcquireRequest message;
  message.set_job(request.job);
  message.set_member(request.member);
  return message;
}

wire::AcquireRequest from_proto(const v1::AcquireRequest& request) {
  return {request.job(), request.member()};
}

v1::AcquireReply to_proto(const wire::AcquireReply& reply) {
  v1::AcquireReply message;
  message.set_kind(kAcquireKinds[static_cast<size_t>(reply.kind)]);
  v1::Lease* lease = message.mutable_lease();
  lease->set_partition(reply.lease.partition);
  lease->set_incarnation(reply.lease.incarnation);
  lease->set_next_sequence(reply.lease.next_sequence);
  lease->set_records(reply.lease.records);
  lease->set_last(reply.lease.last);
  message.set_retry_after_ns(reply.retry_after.count());
  message.set_reason(reply.reason);
  *message.mutable_parameters() = to_proto(reply.parameters);
  message.set_threads(reply.threads);
  return message;
}

wire::AcquireReply from_proto(const v1::AcquireReply& reply) {
  using Kind = wire::AcquireReply::Kind;
  static_assert(static_cast<size_t>(Kind::kAbort) + 1 == std::size(kAcquireKinds));
  wire::AcquireReply result;
  result.kind = kind_from(reply.kind(), kAcquireKinds, Kind::kAbort);
  result.lease = from_proto(reply.lease());
  result.retry_after = duration_from(reply.retry_after_ns());
  result.reason = reply.reason();
  result.parameters = from_proto(reply.parameters());
  result.threads = reply.threads();
  return result;
}

namespace {

void add_traffic(const std::vector<wire::Traffic>& traffic,
                 google::protobuf::RepeatedPtrField<v1::Traffic>* message) {
  for (const wire::Traffic& its : traffic) {
    v1::Traffic* to = message->Add();
    to->set_server(its.server);
    to->set_way(static_cast<v1::Traffic::Way>(its.path.way));
    to->set_hint(its.path.hint);
    to->set_exchanges(its.exchanges);
    to->set_seconds(its.seconds);
    to->set_sent_bytes(its.sent_bytes);
    to->set_received_bytes(its.received_bytes);
    to->set_saved_bytes(its.saved_bytes);
  }
}

// A way that there is not is the one that there always is.
std::vector<wire::Traffic> traffic_from(
    const google::protobuf::RepeatedPtrField<v1::Traffic>& message) {
  std::vector<wire::Traffic> traffic;
  for (const v1::Traffic& its : message) {
    const auto way = v1::Traffic::Way_IsValid(its.way()) ? its.way() : v1::Traffic::TCP;
    traffic.push_back({its.server(),
                       {static_cast<wire::Path::Way>(way), its.hint()},
                       its.exchanges(),
                       its.seconds(),
                       its.sent_bytes(),
                       its.received_bytes(),
                       its.saved_bytes()});
  }
  return traffic;
}

}  // namespace

v1::HeartbeatRequest to_proto(const wire::HeartbeatRequest& request) {
  v1::HeartbeatRequest message;
  message.set_job(request.job);
  message.set_member(request.member);
  message.set_partition(request.partition);
  message.set_incarnation(request.incarnation);
  message.set_last(request.last);
  message.set_step(request.step);
  message.set_activity(request.activity);
  message.set_waiting_for(request.waiting_for);
  message.set_peak_memory_bytes(request.peak_memory_bytes);
  message.set_hold_ns(request.hold.count());
  message.set_knobs(request.knobs);
  message.set_parameters(request.parameters + 1);
  add_traffic(request.traffic, message.mutable_traffic());
  return message;
}

wire::HeartbeatRequest from_proto(const v1::HeartbeatRequest& request) {
  wire::HeartbeatRequest result;
  result.job = request.job();
  result.member = request.member();
  result.partition = request.partition();
  result.incarnation = request.incarnation();
  result.last = request.last();
  result.step = request.step();
  result.activity = request.activity();
  result.waiting_for = request.waiting_for();
  result.peak_memory_bytes = request.peak_memory_bytes();
  result.hold = duration_from(request.hold_ns());
  result.knobs = request.knobs();
  result.parameters = request.parameters() - 1;
  result.traffic = traffic_from(request.traffic());
  return result;
}

v1::HeartbeatReply to_proto(const wire::HeartbeatReply& reply) {
  v1::HeartbeatReply message;
  message.set_kind(kHeartbeatKinds[static_cast<size_t>(reply.kind)]);
  message.set_reason(reply.reason);
  message.set_last(reply.last);
  if (reply.knobs) *message.mutable_knobs() = to_proto(*reply.knobs);
  if (reply.parameters) *message.mutable_parameters() = to_proto(*reply.parameters);
  return message;
}

wire::HeartbeatReply from_proto(const v1::HeartbeatReply& reply) {
  using Kind = wire::HeartbeatReply::Kind;
  static_assert(static_cast<size_t>(Kind::kDrain) + 1 == std::size(kHeartbeatKinds));
  wire::HeartbeatReply result{kind_from(reply.kind(), kHeartbeatKinds, Kind::kAbort),
                              reply.reason(), reply.last()};
  if (reply.has_knobs()) result.knobs = from_proto(reply.knobs());
  if (reply.has_parameters()) result.parameters = from_proto(reply.parameters());
  return result;
}

v1::FinishRequest to_proto(const wire::FinishRequest& request) {
  v1::FinishRequest message;
  message.set_job(request.job);
  message.set_member(request.member);
  message.set_partition(request.partition);
  message.set_incarnation(request.incarnation);
  add_traffic(request.traffic, message.mutable_traffic());
  return message;
}

wire::FinishRequest from_proto(const v1::FinishRequest& request) {
  return {request.job(), request.member(), request.partition(), request.incarnation(),
          traffic_from(request.traffic())};
}

v1::FetchRequest to_proto(const wire::FetchRequest& request) {
  v1::FetchRequest message;
  message.set_job(request.job);
  message.set_partition(request.partition);
  message.set_first(request.first);
  return message;
}

wire::FetchRequest from_proto(const v1::FetchRequest& request) {
  return {request.job(), request.partition(), request.first()};
}

v1::RecordChunk to_proto(const wire::RecordChunk& chunk) {
  v1::RecordChunk message;
  message.set_first(chunk.first);
  message.set_features(chunk.features.data(), chunk.features.size());
  message.mutable_labels()->Add(chunk.labels.begin(), chunk.labels.end());
  message.mutable_values()->Add(chunk.values.begin(), chunk.values.end());
  message.mutable_weights()->Add(chunk.weights.begin(), chunk.weights.end());
  return message;
}

wire::RecordChunk from_proto(const v1::RecordChunk& chunk) {
  const auto features = std::as_bytes(std::span(chunk.features()));
  return {chunk.first(),
          {features.begin(), features.end()},
          {chunk.labels().begin(), chunk.labels().end()},
          {chunk.values().begin(), chunk.values().end()},
          {chunk.weights().begin(), chunk.weights().end()}};
}

}  // namespace sluice::transport
