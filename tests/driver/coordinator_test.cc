#include "driver/coordinator.h"

#include <gmock/gmock.h>

#include "core/version.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Granted = wire::AcquireReply::Kind;

// A job of one server and three partitions of 100 records, at time t.
class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorOptions options() {
    CoordinatorOptions options;
    options.job = 42;
    options.partition_records = {100, 100, 99};
    options.lease_timeout = 10s;
    options.idle_timeout = 60s;
    return options;
  }

  int64_t join(wire::Role role, int64_t pid, int preferred = -1) {
    wire::JoinRequest request{role, core::version(), "hosta", pid, "", preferred};
    if (role == wire::Role::kServer) request.address = "hosta:7000";
    const auto reply = coordinator.join(request, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? reply->member : -1;
  }

  void start() {
    join(wire::Role::kServer, 1);
    ASSERT_TRUE(coordinator.servers_ready());
    coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  }

  wire::AcquireReply acquire(int64_t member) {
    auto reply = coordinator.acquire(member, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : wire::AcquireReply{};
  }

  wire::HeartbeatReply beat(int64_t member, const wire::Lease& lease) {
    wire::HeartbeatRequest request;
    request.member = member;
    request.partition = lease.partition;
    request.incarnation = lease.incarnation;
    auto reply = coordinator.heartbeat(request, t);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : wire::HeartbeatReply{};
  }

  void beat_servers() {
    for (const auto& [id, member] : coordinator.members()) {
      if (member.role == wire::Role::kServer) beat(id, {-1, 0, 0, 0});
    }
  }

  Status finish(int64_t member, const wire::Lease& lease) {
    return coordinator.finish({member, lease.partition, lease.incarnation, 7}, t);
  }

  core::TimePoint t{};
  Coordinator coordinator{options(), t};
};

TEST_F(CoordinatorTest, AWorkersSlotIsTheLowestThatNobodyOfItsHostHas) {
  const auto slot = [this](const std::string& host, int64_t pid) {
    wire::JoinRequest request{wire::Role::kWorker, core::version(), host, pid, "", -1};
    const auto reply = coordinator.join(request, t);
    EXPECT_TRUE(reply.ok());
    return reply->slot;
  };
  EXPECT_EQ(slot("hosta", 10), 0);
  EXPECT_EQ(slot("hostb", 10), 0);
  EXPECT_EQ(slot("hosta", 11), 1);
  EXPECT_EQ(slot("hosta", 12), 2);
  EXPECT_EQ(slot("hostb", 11), 1);
  join(wire::Role::kServer, 1);  // servers take no slot of a worker
  coordinator.process_ended("hosta", 11, "killed by signal 9");
  EXPECT_EQ(slot("hosta", 13), 1) << "its successor's GPU is the dead worker's";
  EXPECT_EQ(slot("hosta", 14), 3);
}

TEST_F(CoordinatorTest, WorkersWaitForServersAndAreToldSo) {
  const int64_t worker = join(wire::Role::kWorker, 10);
  const auto reply = acquire(worker);
  EXPECT_EQ(reply.kind, Granted::kWait);
  EXPECT_THAT(reply.reason, HasSubstr("1 of 1 parameter server"));
}

TEST_F(CoordinatorTest, PartitionsAreHandedOutOnceEach) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const int64_t b = join(wire::Role::kWorker, 11);
  const auto first = acquire(a);
  const auto second = acquire(b);
  ASSERT_EQ(first.kind, Granted::kGranted);
  ASSERT_EQ(second.kind, Granted::kGranted);
  EXPECT_NE(first.lease.partition, second.lease.partition);
  EXPECT_EQ(first.lease.records, 100);
  EXPECT_EQ(first.servers, std::vector<std::string>{"hosta:7000"});
}

TEST_F(CoordinatorTest, JobIsDoneWhenEveryPartitionIsFinished) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(coordinator.phase(), Phase::kTraining);
    EXPECT_TRUE(finish(a, acquire(a).lease).ok());
  }
  EXPECT_EQ(coordinator.phase(), Phase::kDone);
  EXPECT_EQ(acquire(a).kind, Granted::kDone);
}

TEST_F(CoordinatorTest, FinishingTwiceIsHarmless) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_EQ(coordinator.finished_partitions(), 1);
}

TEST_F(CoordinatorTest, WorkerWithoutPartitionWaitsForTheOthersAndIsToldSo) {
  start();
  for (int64_t pid = 10; pid < 13; ++pid) {
    EXPECT_EQ(acquire(join(wire::Role::kWorker, pid)).kind, Granted::kGranted);
  }
  const auto reply = acquire(join(wire::Role::kWorker, 13));
  EXPECT_EQ(reply.kind, Granted::kWait);
  EXPECT_THAT(reply.reason, HasSubstr("other workers"));
}

TEST_F(CoordinatorTest, MemberThatAsksAgainGetsItsPartitionUnderANewIncarnation) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto first = acquire(a).lease;
  const auto again = acquire(a).lease;
  EXPECT_EQ(again.partition, first.partition);
  EXPECT_EQ(again.incarnation, first.incarnation + 1);
  EXPECT_EQ(finish(a, first).code(), StatusCode::kFailedPrecondition);
}

TEST_F(CoordinatorTest, SilentWorkerLosesItsPartitionToTheNext) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lost = acquire(a).lease;
  t += 9s;
  const int64_t b = join(wire::Role::kWorker, 11);
  beat_servers();
  coordinator.tick(t);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2);
  t += 1s;
  coordinator.tick(t);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 1);
  const auto taken = acquire(b).lease;
  EXPECT_EQ(taken.partition, lost.partition);
  EXPECT_GT(taken.incarnation, lost.incarnation);
  // The old holder is not a member any more, whatever it asks.
  wire::HeartbeatRequest request;
  request.member = a;
  EXPECT_EQ(coordinator.heartbeat(request, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(coordinator.acquire(a, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(finish(a, lost).code(), StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, HeartbeatsKeepALeaseForAnyTime) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  for (int i = 0; i < 100; ++i) {
    t += 5s;
    EXPECT_EQ(beat(a, lease).kind, wire::HeartbeatReply::Kind::kContinue);
    beat_servers();
    coordinator.tick(t);
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_TRUE(finish(a, lease).ok());
}

TEST_F(CoordinatorTest, DeathOfAProcessIsNoticedAtOnceWithItsFate) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  coordinator.take_notices();
  coordinator.process_ended("hosta", 10, "was killed by signal 9 (Killed)");
  const auto notices = coordinator.take_notices();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0], "worker 0 (pid 10 on hosta) was killed by signal 9 (Killed): partition " +
                            std::to_string(lease.partition) + " goes back to the queue");
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(coordinator.members().at(b).index, 0) << "the dead worker's number is free again";
  EXPECT_EQ(acquire(b).lease.partition, lease.partition);
}

TEST_F(CoordinatorTest, ProcessOfTheSameNumberOnAnotherHostLivesOn) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.process_ended("hostb", 10, "was killed");
  EXPECT_TRUE(coordinator.acquire(a, t).ok());
}

// A driver restarted at the same address hears from the members of the one before it.
TEST_F(CoordinatorTest, MembersOfAnotherJobAreNotKnown) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  CoordinatorOptions other = options();
  other.job = 43'000'000;
  Coordinator restarted(other, t);
  for (int64_t pid = 1; pid < 10; ++pid) {
    EXPECT_TRUE(
        restarted.join({wire::Role::kWorker, core::version(), "hosta", pid, "", -1}, t).ok());
  }
  wire::HeartbeatRequest request;
  request.member = a;
  EXPECT_EQ(restarted.heartbeat(request, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(restarted.acquire(a, t).status().code(), StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, NobodyIsGivenUpForTimeInWhichTheDriverStoodStill) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  t += 3s;
  coordinator.tick(t);
  t += 1h;
  coordinator.excuse(1h, t);
  coordinator.tick(t);
  EXPECT_EQ(beat(a, lease).kind, wire::HeartbeatReply::Kind::kContinue);
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  // The three seconds before still count.
  t += 7s;
  coordinator.tick(t);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("server 0"));
}

TEST_F(CoordinatorTest, JoinThatIsRepeatedMakesNoSecondMember) {
  wire::JoinRequest request{wire::Role::kServer, core::version(), "hosta", 1, "hosta:7000", -1, 99};
  const auto first = coordinator.join(request, t);
  const auto again = coordinator.join(request, t);
  ASSERT_TRUE(first.ok() && again.ok()) << again.status();
  EXPECT_EQ(again->member, first->member);
  EXPECT_EQ(again->index, first->index);
  // Another process of the same number, as in containers that share a host's name.
  request.role = wire::Role::kWorker;
  request.attempt = 100;
  EXPECT_NE(coordinator.join(request, t)->member, first->member);
  EXPECT_EQ(coordinator.members().size(), 2u);
}

TEST_F(CoordinatorTest, AbsurdNumberIsNotGiven) {
  const int64_t a = join(wire::Role::kWorker, 10, 2'000'000'000);
  EXPECT_EQ(coordinator.members().at(a).index, 0);
}

TEST_F(CoordinatorTest, LeaseThatCouldNotBeFencedGoesBack) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  coordinator.not_granted(lease.partition, lease.incarnation);
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(acquire(b).lease.partition, lease.partition);
  // A late word about the first attempt changes nothing.
  coordinator.not_granted(lease.partition, lease.incarnation);
  EXPECT_NE(acquire(a).lease.partition, lease.partition);
}

TEST_F(CoordinatorTest, HeartbeatOfAnotherIncarnationSaysTheLeaseIsLost) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto first = acquire(a).lease;
  acquire(a);
  EXPECT_EQ(beat(a, first).kind, wire::HeartbeatReply::Kind::kLeaseLost);
}

TEST_F(CoordinatorTest, DeathOfAServerAbortsTheJobAndNamesIt) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.process_ended("hosta", 1, "was killed by signal 11 (Segmentation fault)");
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("server 0 (pid 1 on hosta) was killed"));
  const auto reply = acquire(a);
  EXPECT_EQ(reply.kind, Granted::kAbort);
  EXPECT_THAT(reply.reason, HasSubstr("server 0"));
}

TEST_F(CoordinatorTest, WorkerThatCannotMakeSenseOfTheJobAbortsIt) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_TRUE(coordinator.leave({a, invalid_argument("batch size 64 is larger")}, t).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_EQ(coordinator.abort_reason(), "batch size 64 is larger");
}

TEST_F(CoordinatorTest, WaitingForWorkersHasADeadline) {
  start();
  t += 5s;
  coordinator.tick(t);
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_EQ(coordinator.waiting_for(), "a worker to join");
  for (const auto& [id, member] : coordinator.members()) {
    wire::HeartbeatRequest request;
    request.member = id;
    t += 55s;
    (void)coordinator.heartbeat(request, t);
  }
  coordinator.tick(t);
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("waited 60 s for a worker to join"));
}

TEST_F(CoordinatorTest, AnotherVersionIsRefused) {
  const auto reply = coordinator.join({wire::Role::kWorker, "0.0.1", "hosta", 10, "", -1}, t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(), HasSubstr("0.0.1"));
}

TEST_F(CoordinatorTest, OneServerTooManyIsRefusedWithAdvice) {
  join(wire::Role::kServer, 1);
  const auto reply =
      coordinator.join({wire::Role::kServer, core::version(), "hosta", 2, "b:1", -1}, t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(), HasSubstr("--servers 2"));
}

TEST_F(CoordinatorTest, PreferredNumbersAreGivenWhereTheyAreFree) {
  EXPECT_EQ(coordinator.members().at(join(wire::Role::kWorker, 10, 2)).index, 2);
  EXPECT_EQ(coordinator.members().at(join(wire::Role::kWorker, 11, 2)).index, 0);
  EXPECT_EQ(coordinator.members().at(join(wire::Role::kServer, 1, 9)).index, 0);
}

}  // namespace
}  // namespace sluice::driver
