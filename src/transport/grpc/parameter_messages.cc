#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

using Kept = wire::PullRequest::Kept;

v1::PushHeader::Step to_proto(wire::PushStep step) {
  switch (step) {
    case wire::PushStep::kStage:
      return v1::PushHeader::STAGE;
    case wire::PushStep::kCommit:
      return v1::PushHeader::COMMIT;
    case wire::PushStep::kApply:
      break;
  }
  return v1::PushHeader::APPLY;
}

// A number that there is not is refused with the size of the message, at the latest.
wire::PushStep from_proto(v1::PushHeader::Step step) {
  if (step == v1::PushHeader::STAGE) return wire::PushStep::kStage;
  if (step == v1::PushHeader::COMMIT) return wire::PushStep::kCommit;
  return wire::PushStep::kApply;
}

}  // namespace

v1::Gate to_proto(const wire::Gate& gate) {
  v1::Gate message;
  message.set_generation(gate.generation);
  message.set_since(gate.since);
  for (const wire::Gate::Trainee& trainee : gate.trainees) {
    v1::Gate::Trainee* to = message.add_trainees();
    to->set_member(trainee.member);
    to->set_worker(trainee.worker);
    to->set_clock(trainee.clock);
  }
  message.set_max_staleness(gate.max_staleness);
  return message;
}

wire::Gate from_proto(const v1::Gate& message) {
  wire::Gate gate;
  gate.generation = message.generation();
  gate.since = message.since();
  for (const v1::Gate::Trainee& trainee : message.trainees()) {
    gate.trainees.push_back({trainee.member(), trainee.worker(), trainee.clock()});
  }
  gate.max_staleness = message.max_staleness();
  return gate;
}

// A kind that there is not is no valid compression, on either side.
v1::Encoding to_proto(const compression::Compression& encoding) {
  v1::Encoding message;
  message.set_kind(static_cast<v1::Encoding::Kind>(encoding.kind));
  message.set_fraction(encoding.fraction);
  return message;
}

compression::Compression from_proto(const v1::Encoding& encoding) {
  return {static_cast<compression::Compression::Kind>(encoding.kind()), encoding.fraction()};
}

v1::Wanted to_proto(const wire::Wanted& wanted) {
  v1::Wanted message;
  *message.mutable_encoding() = to_proto(wanted.encoding);
  message.set_member(wanted.member);
  message.set_holds(wanted.holds);
  return message;
}

wire::Wanted from_proto(const v1::Wanted& wanted) {
  return {from_proto(wanted.encoding()), wanted.member(), wanted.holds()};
}

v1::Shard to_proto(const wire::Shard& shard) {
  v1::Shard message;
  message.set_index(shard.index);
  message.set_offset(shard.offset);
  message.set_size(shard.size);
  message.set_server(shard.server);
  return message;
}

wire::Shard from_proto(const v1::Shard& shard) {
  return {shard.index(), shard.offset(), shard.size(), shard.server()};
}

v1::CreateRequest to_proto(const wire::CreateRequest& request) {
  v1::CreateRequest message;
  message.set_job(request.job);
  for (const wire::Shard& shard : request.shard_map.shards()) {
    *message.add_shards() = to_proto(shard);
  }
  message.set_server(request.server);
  message.set_update_rule(request.update_rule);
  message.mutable_pushes()->Add(request.pushes.begin(), request.pushes.end());
  message.set_revision(request.revision);
  return message;
}

wire::CreateRequest from_proto(const v1::CreateRequest& request) {
  return {request.job(),
          shard_map_from(request.shards()),
          request.server(),
          request.update_rule(),
          {request.pushes().begin(), request.pushes().end()},
          request.revision()};
}

v1::AssignHeader to_proto(const wire::AssignRequest& request) {
  v1::AssignHeader message;
  message.set_job(request.job);
  message.set_shard(request.shards.first);
  message.set_shards(request.shards.count);
  return message;
}

wire::AssignRequest from_proto(const v1::AssignHeader& header) {
  return {header.job(), {header.shard(), header.shards()}};
}

v1::PushHeader to_proto(const wire::PushHeader& header) {
  v1::PushHeader message;
  message.set_job(header.job);
  message.set_revision(header.revision);
  message.set_shard(header.shards.first);
  message.set_shards(header.shards.count);
  message.set_step(to_proto(header.step));
  message.set_partition(header.id.partition);
  message.set_incarnation(header.id.incarnation);
  message.set_sequence(header.id.sequence);
  message.set_worker(header.worker);
  message.set_base_version(header.base_version);
  message.set_steps(header.steps);
  message.set_learning_rate(header.learning_rate);
  message.set_clock(header.clock);
  message.set_member(header.member);
  for (const wire::EpochMetrics& metrics : header.metrics) {
    *message.add_metrics() = to_proto(metrics);
  }
  if (header.optimizer_rate) message.set_optimizer_rate(*header.optimizer_rate);
  if (header.rate_scale != 1) message.set_rate_scale(header.rate_scale);
  if (header.superseded) message.set_superseded(*header.superseded);
  if (header.encoding != compression::Compression()) {
    *message.mutable_encoding() = to_proto(header.encoding);
  }
  if (header.wanted) *message.mutable_wanted() = to_proto(*header.wanted);
  return message;
}

wire::PushHeader from_proto(const v1::PushHeader& header) {
  wire::PushHeader result;
  result.job = header.job();
  result.revision = header.revision();
  result.shards = {header.shard(), header.shards()};
  result.step = from_proto(header.step());
  result.id = {header.partition(), header.incarnation(), header.sequence()};
  result.worker = header.worker();
  result.base_version = header.base_version();
  result.steps = header.steps();
  result.learning_rate = header.learning_rate();
  result.clock = header.clock();
  result.member = header.member();
  for (const v1::EpochMetrics& metrics : header.metrics()) {
    result.metrics.push_back(from_proto(metrics));
  }
  if (header.has_optimizer_rate()) result.optimizer_rate = header.optimizer_rate();
  if (header.has_rate_scale()) result.rate_scale = header.rate_scale();
  if (header.has_superseded()) result.superseded = header.superseded();
  result.encoding = from_proto(header.encoding());
  if (header.has_wanted()) result.wanted = from_proto(header.wanted());
  return result;
}

v1::PushReply to_proto(const wire::PushReply& reply) {
  v1::PushReply message;
  message.set_version(reply.version);
  message.set_duplicate(reply.duplicate);
  message.set_superseded(reply.superseded);
  return message;
}

wire::PushReply from_proto(const v1::PushReply& reply) {
  return {reply.version(), reply.duplicate(), reply.superseded()};
}

v1::PullRequest to_proto(const wire::PullRequest& request) {
  v1::PullRequest message;
  message.set_job(request.job);
  message.set_shard(request.shards.first);
  message.set_shards(request.shards.count);
  message.set_averages(request.averages);
  message.set_worker(request.worker < 0 ? 0 : request.worker + 1);
  if (request.wanted) *message.mutable_wanted() = to_proto(*request.wanted);
  message.set_revision(request.revision);
  if (request.kept && request.kept->what == Kept::What::kRule) {
    message.set_rule_floats(request.kept->index);
  } else if (request.kept) {
    message.set_given(request.kept->index);
  }
  return message;
}

wire::PullRequest from_proto(const v1::PullRequest& request) {
  const int worker = request.worker() > 0 ? request.worker() - 1 : -1;
  wire::PullRequest result{
      request.job(), {request.shard(), request.shards()}, request.averages(), worker};
  if (request.has_wanted()) result.wanted = from_proto(request.wanted());
  result.revision = request.revision();
  if (request.has_rule_floats()) result.kept = {Kept::What::kRule, request.rule_floats()};
  if (request.has_given()) result.kept = {Kept::What::kGiven, request.given()};
  return result;
}

v1::FenceRequest to_proto(const wire::FenceRequest& request) {
  v1::FenceRequest message;
  message.set_job(request.job);
  message.set_partition(request.partition);
  message.set_incarnation(request.incarnation);
  *message.mutable_gate() = to_proto(request.gate);
  message.set_first(request.first);
  message.set_last(request.last);
  return message;
}

wire::FenceRequest from_proto(const v1::FenceRequest& request) {
  return {request.job(),   request.partition(), request.incarnation(),
          request.first(), request.last(),      from_proto(request.gate())};
}

v1::FenceReply to_proto(const wire::FenceReply& reply) {
  v1::FenceReply message;
  message.set_sequence(reply.sequence);
  message.set_staged(reply.staged);
  message.set_superseded(reply.superseded);
  return message;
}

wire::FenceReply from_proto(const v1::FenceReply& reply) {
  return {reply.sequence(), reply.staged(), reply.superseded()};
}

v1::GateRequest to_proto(const wire::GateRequest& request) {
  v1::GateRequest message;
  message.set_job(request.job);
  *message.mutable_gate() = to_proto(request.gate);
  message.set_flush(request.flush);
  return message;
}

wire::GateRequest from_proto(const v1::GateRequest& request) {
  return {request.job(), from_proto(request.gate()), request.flush()};
}

v1::PingReply to_proto(const wire::PingReply& reply) {
  v1::PingReply message;
  message.set_waiting_for(reply.waiting_for);
  return message;
}

wire::PingReply from_proto(const v1::PingReply& reply) { return {reply.waiting_for()}; }

}  // namespace sluice::transport
