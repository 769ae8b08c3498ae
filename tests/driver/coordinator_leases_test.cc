#include <gmock/gmock.h>

#include "driver/coordinator.h"
#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Granted = wire::AcquireReply::Kind;
using Heard = wire::HeartbeatReply::Kind;
using How = MemberEnded::How;

class CoordinatorLeasesTest : public CoordinatorFixture {};

TEST_F(CoordinatorLeasesTest, WorkersWaitForServersAndAreToldSo) {
  const int64_t worker = join(wire::Role::kWorker, 10);
  const auto reply = acquire(worker);
  EXPECT_EQ(reply.kind, Granted::kWait);
  EXPECT_THAT(reply.reason, HasSubstr("1 of 1 parameter server"));
}

TEST_F(CoordinatorLeasesTest, PartitionsAreHandedOutOnceEach) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const int64_t b = join(wire::Role::kWorker, 11);
  const auto first = acquire(a);
  const auto second = acquire(b);
  ASSERT_EQ(first.kind, Granted::kGranted);
  ASSERT_EQ(second.kind, Granted::kGranted);
  EXPECT_NE(first.lease.partition, second.lease.partition);
  EXPECT_EQ(first.lease.records, 100);
  EXPECT_EQ(first.parameters.servers, std::vector<std::string>{"hosta:7001"});
}

TEST_F(CoordinatorLeasesTest, JobIsDoneWhenEveryPartitionIsFinished) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(coordinator.phase(), Phase::kTraining);
    EXPECT_TRUE(finish(a, acquire(a).lease).ok());
  }
  EXPECT_EQ(coordinator.phase(), Phase::kDone);
  EXPECT_EQ(acquire(a).kind, Granted::kDone);
  const auto endings = of_kind<JobEnding>(coordinator.take_events());
  ASSERT_EQ(endings.size(), 1u);
  EXPECT_TRUE(endings[0].why.ok());
}

TEST_F(CoordinatorLeasesTest, FinishingTwiceIsHarmless) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_EQ(of_kind<LeaseFinished>(coordinator.take_events()).size(), 1u);
}

// A heartbeat and a Finish go different ways.
TEST_F(CoordinatorLeasesTest, AHeartbeatThatComesAfterItsFinishIsNoLostLease) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = train(a);
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_EQ(beat(a, lease).kind, Heard::kContinue);
}

TEST_F(CoordinatorLeasesTest, WorkerWithoutPartitionWaitsForTheOthersAndIsToldWho) {
  start();
  for (int64_t pid = 10; pid < 13; ++pid) {
    EXPECT_EQ(acquire(join(wire::Role::kWorker, pid)).kind, Granted::kGranted);
  }
  const auto reply = acquire(join(wire::Role::kWorker, 13));
  EXPECT_EQ(reply.kind, Granted::kWait);
  EXPECT_EQ(reply.reason, "the last leases to be finished by worker(s) 0, 1, 2");
}

TEST_F(CoordinatorLeasesTest, OfManyWorkersThatAreWaitedForSomeAreNamed) {
  CoordinatorOptions many = options();
  many.partition_records.assign(100, 1);
  Coordinator crowd(many, t);
  ASSERT_TRUE(crowd.join(join_request(wire::Role::kServer, 1), t).ok());
  crowd.start_training(wire::ShardMap::even(100, 1, 1), t);
  int64_t last = -1;
  for (int64_t pid = 100; pid < 201; ++pid) {
    last = crowd.join(join_request(wire::Role::kWorker, pid), t)->member;
    if (pid < 200) {
      EXPECT_EQ(crowd.acquire({many.job, last}, t)->kind, Granted::kGranted);
    }
  }
  EXPECT_EQ(crowd.acquire({many.job, last}, t)->reason,
            "the last leases to be finished by worker(s) 0, 1, 2 and others");
  crowd.take_events();
  t += 3s;
  crowd.tick(t);
  const auto waits = of_kind<WaitsFor>(crowd.take_events());
  EXPECT_TRUE(waits.empty()) << "the driver stood still";
  for (int i = 0; i < 30; ++i) {
    t += 100ms;
    crowd.tick(t);
  }
  const auto silent = of_kind<WaitsFor>(crowd.take_events());
  ASSERT_EQ(silent.size(), 1u);
  EXPECT_THAT(silent[0].whom, HasSubstr("worker 1, which has not been heard of"));
  EXPECT_THAT(silent[0].whom, testing::EndsWith("; and others"));
  EXPECT_LT(silent[0].whom.size(), 300u);
}

TEST_F(CoordinatorLeasesTest, MemberThatAsksAgainGetsItsPartitionUnderANewIncarnation) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto first = acquire(a).lease;
  const auto again = acquire(a).lease;
  EXPECT_EQ(again.partition, first.partition);
  EXPECT_EQ(again.incarnation, first.incarnation + 1);
  EXPECT_FALSE(coordinator.granted(first, t));
  EXPECT_TRUE(coordinator.granted(again, t));
  EXPECT_EQ(finish(a, first).code(), StatusCode::kFailedPrecondition);
}

TEST_F(CoordinatorLeasesTest, ALeaseWhoseHolderIsGivenUpWhileItIsFencedDoesNotStand) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  coordinator.process_ended("hosta", 10, "was killed", t);
  EXPECT_FALSE(coordinator.granted(lease, t));
  EXPECT_THAT(of_kind<LeaseGranted>(coordinator.take_events()), IsEmpty());
  EXPECT_EQ(acquire(join(wire::Role::kWorker, 11)).lease.partition, lease.partition);
}

TEST_F(CoordinatorLeasesTest, SilentWorkerLosesItsPartitionToTheNext) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lost = acquire(a).lease;
  advance(9s);
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2);
  advance(1s);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 1);
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kUnheard);
  EXPECT_EQ(ended[0].partition, lost.partition);
  const auto taken = acquire(b).lease;
  EXPECT_EQ(taken.partition, lost.partition);
  EXPECT_GT(taken.incarnation, lost.incarnation);
  // The old holder is not a member any more, whatever it asks.
  EXPECT_EQ(coordinator.heartbeat(heartbeat_of(a, lost), t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(coordinator.acquire({options().job, a}, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(finish(a, lost).code(), StatusCode::kNotFound);
}

TEST_F(CoordinatorLeasesTest, HeartbeatsKeepALeaseForAnyTime) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  for (int i = 0; i < 100; ++i) {
    advance(5s);
    EXPECT_EQ(beat(a, lease).kind, Heard::kContinue);
    beat(heartbeat_of(server));
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_TRUE(finish(a, lease).ok());
}

TEST_F(CoordinatorLeasesTest, LeaseThatCouldNotBeFencedGoesBack) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  coordinator.not_granted(lease, "server 0 does not answer", t);
  EXPECT_TRUE(coordinator.has_work());
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(acquire(b).lease.partition, lease.partition);
  // A late word about the first attempt changes nothing.
  coordinator.not_granted(lease, "server 0 does not answer", t);
  EXPECT_NE(acquire(a).lease.partition, lease.partition);
}

TEST_F(CoordinatorLeasesTest, TheJobSaysWhyNoLeaseCanBeGranted) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.take_events();
  coordinator.not_granted(acquire(a).lease, "server 0 does not answer", t);
  EXPECT_THAT(waits(), ElementsAre("a parameter server: server 0 does not answer"));
  train(a);
  EXPECT_THAT(waits(), ElementsAre(""));
}

// The server's heartbeats come, so nobody else would ever end this.
TEST_F(CoordinatorLeasesTest, AJobThatCanGrantNoLeaseEndsAfterTheServerTimeout) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 29; ++i) {
    coordinator.not_granted(acquire(a).lease, "server 0 does not answer", t);
    advance(1s, {heartbeat_of(a)});
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  for (int i = 0; i < 2; ++i) {
    coordinator.not_granted(acquire(a).lease, "server 0 does not answer", t);
    advance(1s, {});
  }
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_EQ(coordinator.abort_reason(),
            "no lease could be granted for 30 s: server 0 does not answer");
}

TEST_F(CoordinatorLeasesTest, FailuresToGrantThatLieFarApartEndNothing) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 5; ++i) {
    coordinator.not_granted(acquire(a).lease, "server 0 does not answer", t);
    advance(20s, {heartbeat_of(a)});
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
}

TEST_F(CoordinatorLeasesTest, AServerIsToldWhoHasComeUnlessSomebodyHasGone) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  (void)train(a);
  const int64_t heard = coordinator.gate().generation;
  const int64_t b = join(wire::Role::kWorker, 11), c = join(wire::Role::kWorker, 12);
  (void)train(b);
  (void)train(c);
  EXPECT_EQ(coordinator.gate_since(0), coordinator.gate());
  const wire::Gate came = coordinator.gate_since(heard);
  EXPECT_EQ(came.since, heard);
  EXPECT_EQ(came.generation, coordinator.gate().generation);
  ASSERT_EQ(came.trainees.size(), 2u);
  EXPECT_EQ(came.trainees[0].member, b);
  EXPECT_EQ(came.trainees[1].member, c);
  ASSERT_TRUE(coordinator.leave({options().job, a, ok_status()}, t).ok());
  EXPECT_EQ(coordinator.gate_since(heard), coordinator.gate());
  ASSERT_EQ(coordinator.gate().trainees.size(), 2u);
  ASSERT_TRUE(coordinator.leave({options().job, b, ok_status()}, t).ok());
  ASSERT_EQ(coordinator.gate().trainees.size(), 1u);
  EXPECT_EQ(coordinator.gate().trainees[0].member, c);
}

TEST_F(CoordinatorLeasesTest, HeartbeatOfAnotherIncarnationSaysTheLeaseIsLost) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto first = acquire(a).lease;
  acquire(a);
  EXPECT_EQ(beat(a, first).kind, Heard::kLeaseLost);
}

TEST_F(CoordinatorLeasesTest, HeartbeatForAPartitionThatIsNotThereSaysTheLeaseIsLost) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_EQ(beat(a, {3, 1, 1, 100}).kind, Heard::kLeaseLost);
  EXPECT_EQ(finish(a, {3, 1, 1, 100}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(finish(a, {-1, 1, 1, 100}).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::driver
