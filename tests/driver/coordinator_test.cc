#include "driver/coordinator.h"

#include <gmock/gmock.h>

#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Heard = wire::HeartbeatReply::Kind;
using How = MemberEnded::How;

class CoordinatorTest : public CoordinatorFixture {};

// --- A driver that stood still ---

TEST_F(CoordinatorTest, NobodyIsGivenUpForTimeInWhichTheDriverStoodStill) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  advance(3s);
  t += 1h;
  coordinator.tick(t);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 1);
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  // The three seconds before still count.
  advance(7s);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 0);
  EXPECT_EQ(coordinator.heartbeat(heartbeat_of(a, lease), t).status().code(),
            StatusCode::kNotFound);
  advance(20s);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("server 0"));
}

// However long it was, and whatever comes first afterwards.
TEST_F(CoordinatorTest, AStandstillAboutAsLongAsALeaseIsForgivenToo) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const int64_t b = join(wire::Role::kWorker, 11);
  const auto lease = train(a);
  for (int seconds = 3; seconds <= 61; ++seconds) {
    t += std::chrono::seconds(seconds);
    if (seconds % 3 == 0) {
      beat(a, lease);
    } else if (seconds % 3 == 1) {
      EXPECT_TRUE(coordinator.acquire({options().job, b}, t).ok());
    }
    coordinator.tick(t);
    ASSERT_EQ(coordinator.live(wire::Role::kWorker), 2) << seconds << " s";
    ASSERT_EQ(coordinator.phase(), Phase::kTraining);
    EXPECT_EQ(beat(a, lease).kind, Heard::kContinue);
    beat(heartbeat_of(b));
    beat(heartbeat_of(server));
  }
}

TEST_F(CoordinatorTest, NorIsAJobGivenUpForIt) {
  start();
  advance(1s);
  t += 1h;
  coordinator.tick(t);
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  advance(30s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  advance(30s, {});
  EXPECT_EQ(coordinator.abort_reason(), "waited 60 s for a worker to join");
}

// --- News ---

TEST_F(CoordinatorTest, WhoeverIsGivenUpHasNews) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  join(wire::Role::kWorker, 11);
  EXPECT_THAT(coordinator.take_news(), IsEmpty());
  coordinator.process_ended("hosta", 10, "was killed", t);
  EXPECT_THAT(coordinator.take_news(), ElementsAre(a));
  EXPECT_THAT(coordinator.take_news(), IsEmpty());
}

TEST_F(CoordinatorTest, AnAbortIsNewsForEverybody) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.abort("stopped", t);
  EXPECT_THAT(coordinator.take_news(), UnorderedElementsAre(server, a));
  const auto heard = beat(heartbeat_of(a));
  EXPECT_EQ(heard.kind, Heard::kAbort);
  EXPECT_EQ(heard.reason, "stopped");
  coordinator.abort("again", t);
  EXPECT_EQ(coordinator.abort_reason(), "stopped");
  EXPECT_THAT(coordinator.take_news(), IsEmpty());
}

// Not before: the result is still to be had from the servers.
TEST_F(CoordinatorTest, TheEndIsNewsWhenTheResultIsHad) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(finish(a, train(a)).ok());
  EXPECT_THAT(coordinator.take_news(), IsEmpty());
  EXPECT_EQ(beat(heartbeat_of(server)).kind, Heard::kContinue);
  coordinator.close();
  EXPECT_THAT(coordinator.take_news(), UnorderedElementsAre(server, a));
  EXPECT_EQ(beat(heartbeat_of(server)).kind, Heard::kDone);
}

TEST_F(CoordinatorTest, AResultThatCannotBeHadFailsAJobThatWasTrained) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(finish(a, train(a)).ok());
  coordinator.abort("too late", t);
  EXPECT_EQ(coordinator.phase(), Phase::kDone);
  coordinator.fail("server 0 is silent", t);
  EXPECT_EQ(beat(heartbeat_of(server)).reason, "server 0 is silent");
}

// --- Times ---

TEST_F(CoordinatorTest, TimeoutsMayBeLongerThanAnyClockGoes) {
  CoordinatorOptions endless = options();
  for (auto* timeout : {&endless.lease_timeout, &endless.server_timeout, &endless.stall_timeout,
                        &endless.name_stalled_after, &endless.idle_timeout}) {
    *timeout = core::Duration::max();
  }
  Coordinator patient(endless, t);
  ASSERT_TRUE(patient.join(join_request(wire::Role::kServer, 1), t).ok());
  patient.start_training(wire::ShardMap::even(100, 1, 1), t);
  const auto worker = patient.join(join_request(wire::Role::kWorker, 10), t);
  ASSERT_TRUE(worker.ok());
  EXPECT_TRUE(patient.acquire({endless.job, worker->member}, t).ok());
  for (int i = 0; i < 100; ++i) {
    EXPECT_GT(patient.next_event(), t);
    t = patient.next_event();
    patient.tick(t);
  }
  EXPECT_EQ(patient.phase(), Phase::kTraining);
}

TEST_F(CoordinatorTest, NothingIsDueWhenEverybodyHasLeft) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.abort("stopped", t);
  EXPECT_TRUE(leave(a, cancelled("stopped")).ok());
  EXPECT_TRUE(leave(server, cancelled("stopped")).ok());
  advance(30s);
  EXPECT_EQ(coordinator.next_event(), core::TimePoint::max());
}

}  // namespace
}  // namespace sluice::driver
