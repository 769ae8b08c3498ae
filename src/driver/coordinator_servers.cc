// Servers that come or go while the job trains.
#include <fmt/core.h>

#include <utility>

#include "driver/coordinator.h"
#include "driver/server_addresses.h"

namespace sluice::driver {

using core::TimePoint;
using wire::Role;

bool Coordinator::has_servers(int count) const {
  return std::distance(servers_.begin(), servers_.lower_bound(count)) == count;
}

std::vector<std::string> Coordinator::addresses_for(const Member& member) const {
  std::vector<std::string> addresses;
  for (int server = 0; server < needed_; ++server) {
    const Member* const its = find_server(server);
    addresses.push_back(its == nullptr ? "" : address_for(*its, member));
  }
  return addresses;
}

wire::Placement Coordinator::placement_for(const Member& member) const {
  return {revision_, shard_map_, addresses_for(member)};
}

std::vector<std::string> Coordinator::server_addresses_for(int server) const {
  const Member* const its = find_server(server);
  return its == nullptr ? std::vector<std::string>() : addresses_for(*its);
}

Status Coordinator::scale_servers(int servers, TimePoint now) {
  if (over() || !draining_.empty()) return failed_precondition("the job is ending");
  if (phase_ != Phase::kTraining) {
    return failed_precondition("the job waits for its servers and does not train yet");
  }
  const auto last = servers_.empty() ? -1 : servers_.rbegin()->first;
  if (!is_needed(last)) {
    return failed_precondition(fmt::format(
        "server {}, which has no shards, has not left yet: try again in a moment", last));
  }
  servers_wanted_ = servers;
  happened(ServersWanted{servers}, now);
  for (const auto& [index, id] : servers_) news_.insert(id);
  say_waits(now);
  return ok_status();
}

void Coordinator::keep_servers(const std::string& why, TimePoint now) {
  if (servers_wanted_ == needed_) return;
  happened(ServersKept{needed_, std::exchange(servers_wanted_, needed_), why}, now);
  for (const auto& [index, id] : servers_) news_.insert(id);
  say_waits(now);
}

void Coordinator::set_moving(bool moving, TimePoint now) {
  moving_ = moving;
  if (!moving_) ungranted_ = {};
  move_waits_for("", now);
}

void Coordinator::move_waits_for(const std::string& whom, TimePoint now) {
  move_waits_for_ = whom;
  say_waits(now);
}

void Coordinator::moved(wire::ShardMap shard_map, int64_t revision, TimePoint now) {
  shard_map_ = std::move(shard_map);
  revision_ = revision;
  needed_ = shard_map_.servers();
  for (const auto& [id, member] : members_) {
    if (member.alive) news_.insert(id);
  }
  say_waits(now);
}

}  // namespace sluice::driver
