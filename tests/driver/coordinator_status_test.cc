#include <gmock/gmock.h>

#include "driver/coordinator.h"
#include "driver/job_status.h"
#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class CoordinatorStatusTest : public CoordinatorFixture {
 protected:
  JobStatus status() {
    JobStatus result;
    coordinator.add_status(result, t);
    return result;
  }
  std::vector<std::string> states() {
    std::vector<std::string> result;
    for (const auto& member : status().members) result.push_back(member.role + " " + member.state);
    return result;
  }
  void turn(int64_t revision, bool paused) {
    wire::Knobs knobs;
    knobs.revision = revision;
    knobs.paused = paused;
    coordinator.set_knobs(knobs, t);
  }
};

TEST_F(CoordinatorStatusTest, MembersAndLeasesAreTold) {
  EXPECT_EQ(status().job.phase, "waiting for servers");
  EXPECT_EQ(status().waits.whom, "1 of 1 parameter server(s) to join");
  EXPECT_EQ(status().waits.given_up_in_s, 60);
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  (void)join(wire::Role::kWorker, 11);
  const auto lease = train(a);
  t += 2s;
  auto request = heartbeat_of(a, lease);
  request.step = 7;
  request.activity = 8;
  request.peak_memory_bytes = 1 << 20;
  beat(request);
  beat(heartbeat_of(server));
  t += 500ms;
  const JobStatus now = status();
  EXPECT_EQ(now.job.phase, "training");
  EXPECT_EQ(now.waits.whom, "");
  ASSERT_EQ(now.members.size(), 3u);
  EXPECT_EQ(now.members[0].role, "server");
  EXPECT_EQ(now.members[0].address, "hosta:7001");
  EXPECT_EQ(now.members[1].pid, 10);
  EXPECT_EQ(now.members[1].joined_s, 2.5);
  EXPECT_EQ(now.members[1].heard_s, 0.5);
  EXPECT_EQ(now.members[1].progress_s, 0.5);
  EXPECT_EQ(now.members[1].peak_memory_bytes, 1 << 20);
  EXPECT_THAT(states(), ElementsAre("server serving", "worker training", "worker starting"));
  ASSERT_EQ(now.leases.size(), 1u);
  EXPECT_EQ(now.leases[0].partition, lease.partition);
  EXPECT_EQ(now.leases[0].worker, 0);
  EXPECT_EQ(now.leases[0].first_push, 1);
  EXPECT_EQ(now.leases[0].last_push, 1);
  EXPECT_EQ(now.leases[0].step, 1) << "of one: no more than the lease has";
  EXPECT_EQ(now.leases[0].steps, 1);
  EXPECT_EQ(now.leases[0].held_s, 2.5);
}

TEST_F(CoordinatorStatusTest, WhoIsSilentAndWhoWaitsIsTold) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto waiting = heartbeat_of(a, train(a));
  waiting.waiting_for = "server 0 at hosta:7001";
  beat(waiting);
  advance(2s);
  beat(waiting);
  EXPECT_THAT(states(), ElementsAre("server serving", "worker waiting"));
  EXPECT_EQ(status().members[1].waiting_s, 2);
  EXPECT_EQ(status().waits.for_s, 2);
  advance(2s);
  EXPECT_THAT(states(), ElementsAre("server silent", "worker waiting"));
  EXPECT_EQ(status().waits.whom, "server 0, which has not been heard of for some seconds");
  EXPECT_EQ(status().waits.given_up_in_s, 26);
}

TEST_F(CoordinatorStatusTest, WorkersAreToldOfChangesUntilTheyHaveThemAndServersAreNot) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_EQ(beat(heartbeat_of(a)).knobs, std::nullopt);
  coordinator.take_news();
  wire::Knobs knobs;
  knobs.revision = 1;
  knobs.learning_rate = 0.5f;
  coordinator.set_knobs(knobs, t);
  EXPECT_THAT(coordinator.take_news(), ElementsAre(a)) << "whose heartbeat waits at the driver";
  EXPECT_EQ(beat(heartbeat_of(server)).knobs, std::nullopt);
  auto request = heartbeat_of(a);
  EXPECT_EQ(beat(request).knobs, knobs);
  request.knobs = 1;
  EXPECT_EQ(beat(request).knobs, std::nullopt);
  EXPECT_EQ(beat(heartbeat_of(join(wire::Role::kWorker, 11))).knobs, knobs)
      << "one that comes later";
}

TEST_F(CoordinatorStatusTest, ABoundOfTheStalenessIsANewGate) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10), b = join(wire::Role::kWorker, 11);
  wire::Knobs knobs;
  knobs.revision = 1;
  knobs.max_staleness = 4;
  coordinator.set_knobs(knobs, t);
  EXPECT_EQ(coordinator.gate().max_staleness, 4);
  const int64_t generation = coordinator.gate().generation;
  EXPECT_GT(generation, 0);
  knobs.learning_rate = 0.5f;
  coordinator.set_knobs(knobs, t);
  EXPECT_EQ(coordinator.gate().generation, generation) << "servers need not hear of it";
  (void)train(a);
  ASSERT_EQ(coordinator.gate().trainees.size(), 2u) << "set before anybody trained or not";
  for (const auto& trainee : coordinator.gate().trainees) EXPECT_EQ(trainee.clock, 0);
  (void)train(b);
  EXPECT_EQ(coordinator.gate().max_staleness, 4);
}

TEST_F(CoordinatorStatusTest, WhilePausedNobodyIsGivenWorkNorGivenUp) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto holder = heartbeat_of(a, train(a));
  coordinator.take_events();
  turn(1, true);
  EXPECT_EQ(waits().back(), "the job to be resumed");
  EXPECT_EQ(status().job.phase, "paused");
  EXPECT_EQ(status().waits.advice, "it goes on with: sluice ctl resume");
  EXPECT_FALSE(coordinator.has_work());
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(acquire(b).reason, "the job to be resumed");
  holder.waiting_for = wire::kToBeResumed;
  advance(10min, {holder, heartbeat_of(b)});
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2);
  EXPECT_THAT(states(), ElementsAre("server serving", "worker paused", "worker idle"));
  EXPECT_THAT(waits(), IsEmpty()) << "it is for nobody else";
  turn(2, false);
  EXPECT_EQ(waits().back(), "");
  EXPECT_TRUE(coordinator.has_work());
  beat(holder);  // what it said last is older than that
  EXPECT_THAT(waits(), IsEmpty());
  EXPECT_EQ(acquire(b).kind, wire::AcquireReply::Kind::kGranted);
}

TEST_F(CoordinatorStatusTest, WhilePausedTheDeadAreNoticedAndTheJobWaitsForOthers) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  (void)train(a);
  turn(1, true);
  advance(4s, {});
  EXPECT_THAT(waits().back(), testing::HasSubstr("worker 0, which has not been heard of"));
  advance(10min, {});
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 0);
  EXPECT_FALSE(coordinator.over()) << "a paused job needs no workers";
  turn(2, false);
  EXPECT_EQ(waits().back(), "a worker to join");
  advance(59s, {});
  EXPECT_FALSE(coordinator.over());
  advance(1s, {});
  EXPECT_TRUE(coordinator.over());
}

}  // namespace
}  // namespace sluice::driver
