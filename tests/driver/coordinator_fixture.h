// A coordinator at the time of the test, called on as a driver would.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/version.h"
#include "driver/coordinator.h"

namespace sluice::driver {

// The events of one kind.
template <typename Kind>
std::vector<Kind> of_kind(const std::vector<JobEvent>& events) {
  std::vector<Kind> found;
  for (const JobEvent& event : events) {
    if (const auto* one = std::get_if<Kind>(&event.what)) found.push_back(*one);
  }
  return found;
}

inline wire::JoinRequest join_request(wire::Role role, int64_t pid) {
  wire::JoinRequest request;
  request.role = role;
  request.version = core::version();
  request.process = {"hosta", "machine a", pid, 1};
  if (role == wire::Role::kServer) request.address = "hosta:" + std::to_string(7000 + pid);
  return request;
}

// A job of one server and three partitions of 100 records and one push, at time t.
class CoordinatorFixture : public testing::Test {
 protected:
  explicit CoordinatorFixture(CoordinatorOptions changed = options())
      : coordinator(std::move(changed), t) {}

  static CoordinatorOptions options() {
    CoordinatorOptions options;
    options.job = 42;
    options.partition_records = {100, 100, 99};
    options.lease_timeout = std::chrono::seconds(10);
    options.server_timeout = std::chrono::seconds(30);
    options.name_stalled_after = std::chrono::seconds(10);
    options.stall_timeout = std::chrono::seconds(40);
    options.idle_timeout = std::chrono::seconds(60);
    return options;
  }

  int64_t join(const wire::JoinRequest& request) {
    const auto reply = coordinator.join(request, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    if (!reply.ok()) return -1;
    if (request.role == wire::Role::kServer) server = reply->member;
    return reply->member;
  }
  int64_t join(wire::Role role, int64_t pid, int preferred = -1) {
    wire::JoinRequest request = join_request(role, pid);
    request.preferred_index = preferred;
    return join(request);
  }

  void start() {
    join(wire::Role::kServer, 1);
    ASSERT_TRUE(coordinator.servers_ready());
    coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  }

  wire::AcquireReply acquire(int64_t member) {
    auto reply = coordinator.acquire({options().job, member}, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : wire::AcquireReply{};
  }
  // A lease that every server has fenced.
  wire::Lease train(int64_t member) {
    const wire::Lease lease = acquire(member).lease;
    EXPECT_TRUE(coordinator.granted(lease, t));
    return lease;
  }

  static wire::HeartbeatRequest heartbeat_of(int64_t member, const wire::Lease& lease) {
    wire::HeartbeatRequest request;
    request.job = options().job;
    request.member = member;
    request.partition = lease.partition;
    request.incarnation = lease.incarnation;
    return request;
  }
  static wire::HeartbeatRequest heartbeat_of(int64_t member) {
    return heartbeat_of(member, {-1, 0, 0, 0});
  }
  wire::HeartbeatReply beat(const wire::HeartbeatRequest& request) {
    auto reply = coordinator.heartbeat(request, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : wire::HeartbeatReply{};
  }
  // A heartbeat of a worker that gets on.
  wire::HeartbeatReply beat(int64_t member, const wire::Lease& lease) {
    auto request = heartbeat_of(member, lease);
    request.last = lease.last;
    request.activity = request.step = ++activity_;
    return beat(request);
  }

  Status finish(int64_t member, const wire::Lease& lease) {
    return coordinator.finish({options().job, member, lease.partition, lease.incarnation}, t);
  }
  Status leave(int64_t member, const Status& why) {
    return coordinator.leave({options().job, member, why}, t);
  }

  // Time passes, and the driver is awake.
  void advance(core::Duration by) {
    const core::TimePoint end = t + by;
    for (int events = 0; coordinator.next_event() <= end; ++events) {
      ASSERT_LT(events, 100'000) << "endless at " << core::to_seconds(t.time_since_epoch()) << " s";
      t = std::max(t, coordinator.next_event());
      coordinator.tick(t);
    }
    t = end;
    coordinator.tick(t);
  }
  // Likewise, and these heartbeats and the server's come every second.
  void advance(core::Duration by, const std::vector<wire::HeartbeatRequest>& heartbeats) {
    for (core::Duration passed{}; passed < by; passed += std::chrono::seconds(1)) {
      advance(std::min<core::Duration>(by - passed, std::chrono::seconds(1)));
      if (server >= 0) beat(heartbeat_of(server));
      for (const auto& request : heartbeats) beat(request);
    }
  }

  // For whom the job was said to wait, from the first to the last.
  std::vector<std::string> waits() {
    std::vector<std::string> whom;
    for (const WaitsFor& wait : of_kind<WaitsFor>(coordinator.take_events())) {
      whom.push_back(wait.whom);
    }
    return whom;
  }

  core::TimePoint t{std::chrono::hours(1)};
  Coordinator coordinator;
  int64_t server = -1;

 private:
  int64_t activity_ = 0;
};

}  // namespace sluice::driver
