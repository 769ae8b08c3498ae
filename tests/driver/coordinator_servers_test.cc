// Servers that come and go while the job trains.
#include <gmock/gmock.h>

#include "driver/coordinator.h"
#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wire::Role;
using wire::ShardMap;

class CoordinatorServersTest : public CoordinatorFixture {
 protected:
  void SetUp() override {
    first_ = join(join_request(Role::kServer, 1));
    coordinator.start_training(ShardMap::even(64, 2, 1), t);
    worker_ = join(join_request(Role::kWorker, 10));
    coordinator.take_events();
    coordinator.take_news();
  }
  wire::HeartbeatReply beat(int64_t member, int64_t parameters = -1) {
    wire::HeartbeatRequest request;
    request.job = 42;
    request.member = member;
    request.parameters = parameters;
    const auto reply = coordinator.heartbeat(request, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : wire::HeartbeatReply{};
  }

  int64_t first_ = 0, worker_ = 0;
};

TEST_F(CoordinatorServersTest, OneMoreMayJoinWhenItIsWanted) {
  EXPECT_THAT(coordinator.join(join_request(Role::kServer, 2), t).status().message(),
              HasSubstr("start the driver with --servers 2 to use another, or ask for it with "
                        "sluice ctl scale servers=2"));
  ASSERT_TRUE(coordinator.scale_servers(2, t).ok());
  EXPECT_EQ(of_kind<ServersWanted>(coordinator.take_events())[0].servers, 2);
  EXPECT_FALSE(coordinator.wanted_servers_ready());
  const int64_t second = join(join_request(Role::kServer, 2));
  EXPECT_TRUE(coordinator.wanted_servers_ready());
  EXPECT_EQ(beat(second).kind, wire::HeartbeatReply::Kind::kContinue);
  EXPECT_FALSE(coordinator.join(join_request(Role::kServer, 3), t).ok());
  EXPECT_THAT(coordinator.server_addresses_for(1), ElementsAre("hosta:7001"));
}

// The job goes on without them, so whoever it waits for besides is named first.
TEST_F(CoordinatorServersTest, ServersThatWereAskedForAndHaveNotComeAreNamed) {
  coordinator.listens_at("hosta:7070");
  const auto said = [&] {
    const auto waits = of_kind<WaitsFor>(coordinator.take_events());
    return waits.empty() ? "nothing" : to_text(waits.back(), t);
  };
  ASSERT_TRUE(coordinator.scale_servers(3, t).ok());
  EXPECT_EQ(
      said(),
      "waiting for 2 of 3 parameter server(s) to join; meanwhile the job trains with 1; start "
      "it with: sluice server --driver hosta:7070; or call it off with: sluice ctl scale "
      "servers=1");
  join(join_request(Role::kServer, 2));
  EXPECT_THAT(said(), HasSubstr("1 of 3 parameter server(s) to join"));
  coordinator.process_ended("hosta", 10, "was killed by signal 9 (Killed)", t);
  EXPECT_THAT(said(), HasSubstr("waiting for a worker to join"));
  join(join_request(Role::kWorker, 11));
  EXPECT_THAT(said(), HasSubstr("1 of 3 parameter server(s) to join"));
  join(join_request(Role::kServer, 3));
  EXPECT_EQ(said(), "") << "nobody";
  ASSERT_TRUE(coordinator.scale_servers(4, t).ok());
  EXPECT_THAT(said(), HasSubstr("1 of 4 parameter server(s) to join"));
  coordinator.keep_servers("somebody said so", t);
  EXPECT_EQ(said(), "") << "nobody";
}

TEST_F(CoordinatorServersTest, WorkersHearWhereTheParametersAreNow) {
  ASSERT_TRUE(coordinator.scale_servers(2, t).ok());
  join(join_request(Role::kServer, 2));
  coordinator.take_news();
  const ShardMap map = ShardMap::even(64, 2, 2);
  coordinator.moved(map, 7, t);
  EXPECT_TRUE(coordinator.take_news().contains(worker_));
  const auto news = beat(worker_, 0);
  ASSERT_TRUE(news.parameters);
  EXPECT_EQ(*news.parameters, (wire::Placement{7, map, {"hosta:7001", "hosta:7002"}}));
  EXPECT_FALSE(beat(worker_, 7).parameters);
  EXPECT_FALSE(beat(worker_, -1).parameters) << "its lease says so";
  const auto granted = coordinator.acquire({42, worker_}, t);
  EXPECT_EQ(granted->parameters, *news.parameters);
}

TEST_F(CoordinatorServersTest, WhileShardsMoveNoLeaseIsGranted) {
  coordinator.set_moving(true, t);
  EXPECT_FALSE(coordinator.has_work());
  const auto answer = coordinator.acquire({42, worker_}, t);
  EXPECT_EQ(answer->kind, wire::AcquireReply::Kind::kWait);
  EXPECT_THAT(answer->reason, HasSubstr("go to other servers"));
  coordinator.set_moving(false, t);
  EXPECT_TRUE(coordinator.has_work());
}

TEST_F(CoordinatorServersTest, ANewServerThatDiesTakesNothingWithIt) {
  ASSERT_TRUE(coordinator.scale_servers(3, t).ok());
  const int64_t second = join(join_request(Role::kServer, 2));
  join(join_request(Role::kServer, 3));
  coordinator.take_events();
  coordinator.process_ended("hosta", 3, "was killed by signal 9 (Killed)", t);
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_EQ(coordinator.servers_wanted(), 1);
  const auto events = coordinator.take_events();
  ASSERT_EQ(of_kind<ServersKept>(events).size(), 1u);
  EXPECT_EQ(to_text({t, of_kind<ServersKept>(events)[0]}),
            "there are 1 server(s) still, not 3: server 2 (pid 3 on hosta) was killed by signal 9 "
            "(Killed)");
  EXPECT_TRUE(coordinator.take_news().contains(second));
  EXPECT_EQ(beat(second).kind, wire::HeartbeatReply::Kind::kDone);
  EXPECT_EQ(beat(first_).kind, wire::HeartbeatReply::Kind::kContinue);
  // Until it has left there is no other.
  EXPECT_THAT(coordinator.scale_servers(2, t).message(), HasSubstr("has not left yet"));
  EXPECT_TRUE(coordinator.leave({42, second, ok_status()}, t).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_TRUE(coordinator.scale_servers(2, t).ok());
}

TEST_F(CoordinatorServersTest, ANewServerIsGivenUpAsSoonAsAWorker) {
  ASSERT_TRUE(coordinator.scale_servers(2, t).ok());
  join(join_request(Role::kServer, 2));
  for (int second = 0; second < 11; ++second) {
    t += std::chrono::seconds(1);
    beat(first_);
    beat(worker_);
    coordinator.tick(t);
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_EQ(coordinator.servers_wanted(), 1);
}

TEST_F(CoordinatorServersTest, AServerWithoutShardsIsToldToLeave) {
  ASSERT_TRUE(coordinator.scale_servers(2, t).ok());
  const int64_t second = join(join_request(Role::kServer, 2));
  coordinator.moved(ShardMap::even(64, 2, 2), 1, t);
  ASSERT_TRUE(coordinator.scale_servers(1, t).ok());
  EXPECT_EQ(beat(second).kind, wire::HeartbeatReply::Kind::kContinue) << "it has some still";
  coordinator.moved(ShardMap::even(64, 2, 1), 2, t);
  EXPECT_EQ(beat(second).kind, wire::HeartbeatReply::Kind::kDone);
  EXPECT_TRUE(coordinator.leave({42, second, ok_status()}, t).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
}

TEST_F(CoordinatorServersTest, AServerWithShardsStillTakesTheJobWithIt) {
  ASSERT_TRUE(coordinator.scale_servers(2, t).ok());
  join(join_request(Role::kServer, 2));
  coordinator.moved(ShardMap::even(64, 2, 2), 1, t);
  coordinator.process_ended("hosta", 2, "was killed by signal 9 (Killed)", t);
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("its parameters are gone"));
}

}  // namespace
}  // namespace sluice::driver
