// What goes between servers when shards move, as messages.
#include <algorithm>
#include <iterator>

#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

using transport::from_proto;
using transport::to_proto;

constexpr v1::MoveRequest::Step kSteps[] = {v1::MoveRequest::FREEZE, v1::MoveRequest::COMMIT,
                                            v1::MoveRequest::TAKE, v1::MoveRequest::SWITCH,
                                            v1::MoveRequest::THAW};

v1::PushName to_proto(const wire::LedgerState::Name& name) {
  v1::PushName message;
  message.set_partition(name.first);
  message.set_sequence(name.second);
  return message;
}

wire::LedgerState::Name name_from(const v1::PushName& name) {
  return {name.partition(), name.sequence()};
}

v1::LedgerState to_proto(const wire::LedgerState& state) {
  v1::LedgerState message;
  for (const auto& segment : state.segments) {
    v1::LedgerState::Segment* const to = message.add_segments();
    to->set_partition(segment.partition);
    to->set_first(segment.first);
    to->set_last(segment.last);
    to->set_incarnation(segment.incarnation);
    to->set_applied(segment.applied);
  }
  for (const auto& name : state.superseded) *message.add_superseded() = to_proto(name);
  *message.mutable_gate() = to_proto(state.gate);
  message.set_floor(state.floor);
  message.set_stepped(state.stepped);
  *message.mutable_counts() = to_proto(state.counts);
  return message;
}

wire::LedgerState from_proto(const v1::LedgerState& state) {
  wire::LedgerState result;
  for (const auto& segment : state.segments()) {
    result.segments.push_back({segment.partition(), segment.first(), segment.last(),
                               segment.incarnation(), segment.applied()});
  }
  for (const auto& name : state.superseded()) result.superseded.push_back(name_from(name));
  result.gate = from_proto(state.gate());
  result.floor = state.floor();
  result.stepped = state.stepped();
  result.counts = from_proto(state.counts());
  return result;
}

v1::ShardState to_proto(const wire::ShardState& state) {
  v1::ShardState message;
  message.set_shard(state.shard);
  message.set_values_version(state.values_version);
  message.set_kept(state.kept);
  message.set_steps(state.steps);
  message.set_averaged_steps(state.averaged_steps);
  message.set_averages(state.averages);
  for (const bool there : state.rule_floats) message.add_rule_floats(there);
  for (const double number : state.rule_numbers) message.add_rule_numbers(number);
  for (const auto& given : state.given) {
    v1::ShardState::Given* const to = message.add_given();
    to->set_worker(given.worker);
    to->set_partition(given.id.partition);
    to->set_incarnation(given.id.incarnation);
    to->set_sequence(given.id.sequence);
    to->set_version(given.version);
  }
  return message;
}

wire::ShardState from_proto(const v1::ShardState& state) {
  wire::ShardState result;
  result.shard = state.shard();
  result.values_version = state.values_version();
  result.kept = state.kept();
  result.steps = state.steps();
  result.averaged_steps = state.averaged_steps();
  result.averages = state.averages();
  result.rule_floats.assign(state.rule_floats().begin(), state.rule_floats().end());
  result.rule_numbers.assign(state.rule_numbers().begin(), state.rule_numbers().end());
  for (const auto& given : state.given()) {
    result.given.push_back({given.worker(),
                            {given.partition(), given.incarnation(), given.sequence()},
                            given.version()});
  }
  return result;
}

}  // namespace

v1::MoveRequest to_proto(const wire::MoveRequest& request) {
  v1::MoveRequest message;
  message.set_job(request.job);
  message.set_revision(request.revision);
  message.set_step(kSteps[static_cast<size_t>(request.step)]);
  for (const wire::Settled& push : request.commits) {
    v1::SettledPush* const to = message.add_commits();
    to->set_partition(push.partition);
    to->set_sequence(push.sequence);
    to->set_superseded(push.superseded);
  }
  *message.mutable_next() = to_proto(request.next);
  for (const wire::Shard& shard : request.from.shards()) *message.add_from() = to_proto(shard);
  message.set_from_revision(request.from_revision);
  for (const std::string& server : request.servers) message.add_servers(server);
  message.set_server(request.server + 1);
  *message.mutable_ledger() = to_proto(request.ledger);
  for (const wire::ShardState& shard : request.shards) *message.add_shards() = to_proto(shard);
  return message;
}

// A step that there is not is one that needs what such a message does not have.
wire::MoveRequest from_proto(const v1::MoveRequest& request) {
  wire::MoveRequest result;
  result.job = request.job();
  result.revision = request.revision();
  const auto step = std::find(std::begin(kSteps), std::end(kSteps), request.step());
  result.step = step == std::end(kSteps) ? wire::MoveStep::kTake
                                         : static_cast<wire::MoveStep>(step - std::begin(kSteps));
  for (const v1::SettledPush& push : request.commits()) {
    result.commits.push_back({push.partition(), push.sequence(), push.superseded()});
  }
  result.next = from_proto(request.next());
  result.from_revision = request.from_revision();
  result.from = shard_map_from(request.from());
  result.servers.assign(request.servers().begin(), request.servers().end());
  result.server = request.server() - 1;
  result.ledger = from_proto(request.ledger());
  for (const v1::ShardState& shard : request.shards()) result.shards.push_back(from_proto(shard));
  return result;
}

v1::MoveReply to_proto(const wire::MoveReply& reply) {
  v1::MoveReply message;
  *message.mutable_ledger() = to_proto(reply.ledger);
  for (const auto& name : reply.staged) *message.add_staged() = to_proto(name);
  for (const wire::ShardState& shard : reply.shards) *message.add_shards() = to_proto(shard);
  return message;
}

wire::MoveReply from_proto(const v1::MoveReply& reply) {
  wire::MoveReply result{.ledger = from_proto(reply.ledger())};
  for (const v1::PushName& name : reply.staged()) result.staged.push_back(name_from(name));
  for (const v1::ShardState& shard : reply.shards()) result.shards.push_back(from_proto(shard));
  return result;
}

}  // namespace sluice::transport
