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
using Granted = wire::AcquireReply::Kind;
using Heard = wire::HeartbeatReply::Kind;
using How = MemberEnded::How;

class CoordinatorTest : public CoordinatorFixture {};

// --- Members ---

TEST_F(CoordinatorTest, AWorkersSlotIsTheLowestThatNobodyOfItsMachineHas) {
  const auto slot = [this](const std::string& machine, int64_t pid) {
    auto request = join_request(wire::Role::kWorker, pid);
    // Every container has a host name of its own.
    request.process = {machine + "-" + std::to_string(pid), machine, pid, 1};
    const auto reply = coordinator.join(request, t);
    EXPECT_TRUE(reply.ok());
    return reply->slot;
  };
  EXPECT_EQ(slot("a", 10), 0);
  EXPECT_EQ(slot("b", 10), 0);
  EXPECT_EQ(slot("a", 11), 1);
  EXPECT_EQ(slot("a", 12), 2);
  EXPECT_EQ(slot("b", 11), 1);
  join(wire::Role::kServer, 1);  // servers take no slot of a worker
  coordinator.process_ended("a-11", 11, "killed by signal 9", t);
  EXPECT_EQ(slot("a", 13), 1) << "its successor's GPU is the dead worker's";
  EXPECT_EQ(slot("a", 14), 3);
}

TEST_F(CoordinatorTest, WhereTheMachineIsNotKnownItsNameDecidesTheSlot) {
  const auto slot = [this](const std::string& host, int64_t pid) {
    auto request = join_request(wire::Role::kWorker, pid);
    request.process = {host, "", pid, 1};
    return coordinator.join(request, t)->slot;
  };
  EXPECT_EQ(slot("hosta", 10), 0);
  EXPECT_EQ(slot("hostb", 10), 0);
  EXPECT_EQ(slot("hosta", 11), 1);
}

TEST_F(CoordinatorTest, PreferredNumbersAreGivenWhereTheyAreFree) {
  const auto index = [this](int64_t member) { return coordinator.members().at(member).name.index; };
  EXPECT_EQ(index(join(wire::Role::kWorker, 10, 2)), 2);
  EXPECT_EQ(index(join(wire::Role::kWorker, 11, 2)), 0);
  EXPECT_EQ(index(join(wire::Role::kServer, 1, 9)), 0);
}

TEST_F(CoordinatorTest, AbsurdNumberIsNotGiven) {
  const int64_t a = join(wire::Role::kWorker, 10, 2'000'000'000);
  EXPECT_EQ(coordinator.members().at(a).name.index, 0);
}

TEST_F(CoordinatorTest, AnotherVersionIsRefused) {
  auto request = join_request(wire::Role::kWorker, 10);
  request.version = "0.0.1";
  const auto reply = coordinator.join(request, t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(), HasSubstr("0.0.1"));
  const auto refused = of_kind<JoinRefused>(coordinator.take_events());
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].why, reply.status());
}

TEST_F(CoordinatorTest, OneServerTooManyIsRefusedWithAdvice) {
  join(wire::Role::kServer, 1);
  const auto reply = coordinator.join(join_request(wire::Role::kServer, 2), t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(), HasSubstr("--servers 2"));
}

// Where a server was restarted, "there are enough" would be no help.
TEST_F(CoordinatorTest, ASecondServerHearsThatTheFirstIsSilent) {
  start();
  advance(12s);
  const auto reply = coordinator.join(join_request(wire::Role::kServer, 2), t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(),
              HasSubstr("server 0 (pid 1 on hosta) has not been heard of for 12 s and is waited "
                        "for 18 s more"));
}

TEST_F(CoordinatorTest, JoinThatIsRepeatedMakesNoSecondMember) {
  auto request = join_request(wire::Role::kServer, 1);
  request.attempt = 99;
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

// A driver restarted at the same address hears from the members of the one before it.
TEST_F(CoordinatorTest, MembersOfAnotherJobAreNotKnown) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  CoordinatorOptions other = options();
  other.job = 43'000'000;
  Coordinator restarted(other, t);
  for (int64_t pid = 1; pid < 10; ++pid) {
    EXPECT_TRUE(restarted.join(join_request(wire::Role::kWorker, pid), t).ok());
  }
  auto request = heartbeat_of(a);
  request.job = other.job;
  EXPECT_EQ(restarted.heartbeat(request, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(restarted.acquire({other.job, a}, t).status().code(), StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, CallsThatNameAnotherJobAreNotFoundAndChangeNothing) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = train(a);
  const uint64_t other = options().job + 1;
  auto request = heartbeat_of(a, lease);
  request.job = other;
  EXPECT_EQ(coordinator.heartbeat(request, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(coordinator.acquire({other, a}, t).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(coordinator.finish({other, a, lease.partition, lease.incarnation}, t).code(),
            StatusCode::kNotFound);
  EXPECT_TRUE(coordinator.leave({other, a, ok_status()}, t).ok());
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 1);
  EXPECT_TRUE(finish(a, lease).ok());
}

// --- Containers that were started again ---

wire::JoinRequest container(wire::Role role, int64_t started) {
  auto request = join_request(role, 1);
  request.process = {"box", "machine a", 1, started};
  return request;
}

TEST_F(CoordinatorTest, AServerStartedAgainReplacesItsDeadSelfAtOnce) {
  CoordinatorOptions two = options();
  two.servers = 2;
  Coordinator waiting(two, t);
  ASSERT_TRUE(waiting.join(container(wire::Role::kServer, 100), t).ok());
  const auto again = waiting.join(container(wire::Role::kServer, 200), t);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->index, 0);
  EXPECT_EQ(waiting.live(wire::Role::kServer), 1);
  EXPECT_EQ(waiting.phase(), Phase::kWaitingForServers) << "it had no parameters yet";
  const auto ended = of_kind<MemberEnded>(waiting.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kDied);
  EXPECT_EQ(ended[0].fate, "was started again");
}

TEST_F(CoordinatorTest, AServerStartedAgainWhileTheJobTrainsHasLostItsParameters) {
  join(container(wire::Role::kServer, 100));
  coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  const auto again = coordinator.join(container(wire::Role::kServer, 200), t);
  EXPECT_EQ(again.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(coordinator.abort_reason(),
              HasSubstr("server 0 (pid 1 on box) was started again; its parameters are gone"));
}

TEST_F(CoordinatorTest, AWorkerStartedAgainNeedNotWaitForTheLeaseOfItsDeadSelf) {
  start();
  const int64_t dead = join(container(wire::Role::kWorker, 100));
  const auto lost = train(dead);
  advance(500ms);
  const int64_t again = join(container(wire::Role::kWorker, 200));
  advance(2500ms, {heartbeat_of(again)});
  EXPECT_FALSE(coordinator.members().at(dead).alive);
  EXPECT_EQ(coordinator.members().at(dead).end->how, How::kDied);
  EXPECT_EQ(acquire(again).lease.partition, lost.partition);
}

TEST_F(CoordinatorTest, OneThatTookLongToStartReplacesItsDeadSelfAtOnce) {
  start();
  const int64_t dead = join(container(wire::Role::kWorker, 100));
  advance(4s);
  const int64_t again = join(container(wire::Role::kWorker, 200));
  EXPECT_FALSE(coordinator.members().at(dead).alive);
  EXPECT_EQ(coordinator.members().at(again).name.index, 0);
  EXPECT_EQ(coordinator.members().at(again).slot, 0);
}

// With the host's network, all containers of a machine have its name, and process 1.
TEST_F(CoordinatorTest, ContainersThatShareAHostNameDoNotReplaceOneAnother) {
  start();
  const int64_t a = join(container(wire::Role::kWorker, 100));
  const int64_t b = join(container(wire::Role::kWorker, 101));
  advance(20s, {heartbeat_of(a), heartbeat_of(b)});
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2);
  advance(9s);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2) << "nobody is doubted any more";
}

// --- Leases ---

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
  EXPECT_EQ(first.servers, std::vector<std::string>{"hosta:7001"});
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
  const auto endings = of_kind<JobEnding>(coordinator.take_events());
  ASSERT_EQ(endings.size(), 1u);
  EXPECT_TRUE(endings[0].why.ok());
}

TEST_F(CoordinatorTest, FinishingTwiceIsHarmless) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_EQ(of_kind<PartitionFinished>(coordinator.take_events()).size(), 1u);
}

// A heartbeat and a Finish go different ways.
TEST_F(CoordinatorTest, AHeartbeatThatComesAfterItsFinishIsNoLostLease) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = train(a);
  EXPECT_TRUE(finish(a, lease).ok());
  EXPECT_EQ(beat(a, lease).kind, Heard::kContinue);
}

TEST_F(CoordinatorTest, WorkerWithoutPartitionWaitsForTheOthersAndIsToldWho) {
  start();
  for (int64_t pid = 10; pid < 13; ++pid) {
    EXPECT_EQ(acquire(join(wire::Role::kWorker, pid)).kind, Granted::kGranted);
  }
  const auto reply = acquire(join(wire::Role::kWorker, 13));
  EXPECT_EQ(reply.kind, Granted::kWait);
  EXPECT_EQ(reply.reason, "the last partitions to be finished by worker(s) 0, 1, 2");
}

TEST_F(CoordinatorTest, OfManyWorkersThatAreWaitedForSomeAreNamed) {
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
            "the last partitions to be finished by worker(s) 0, 1, 2 and others");
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

TEST_F(CoordinatorTest, MemberThatAsksAgainGetsItsPartitionUnderANewIncarnation) {
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

TEST_F(CoordinatorTest, ALeaseWhoseHolderIsGivenUpWhileItIsFencedDoesNotStand) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  coordinator.process_ended("hosta", 10, "was killed", t);
  EXPECT_FALSE(coordinator.granted(lease, t));
  EXPECT_THAT(of_kind<LeaseGranted>(coordinator.take_events()), IsEmpty());
  EXPECT_EQ(acquire(join(wire::Role::kWorker, 11)).lease.partition, lease.partition);
}

TEST_F(CoordinatorTest, SilentWorkerLosesItsPartitionToTheNext) {
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

TEST_F(CoordinatorTest, HeartbeatsKeepALeaseForAnyTime) {
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

TEST_F(CoordinatorTest, LeaseThatCouldNotBeFencedGoesBack) {
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

TEST_F(CoordinatorTest, TheJobSaysWhyNoLeaseCanBeGranted) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.take_events();
  coordinator.not_granted(acquire(a).lease, "server 0 does not answer", t);
  EXPECT_THAT(waits(), ElementsAre("a parameter server: server 0 does not answer"));
  train(a);
  EXPECT_THAT(waits(), ElementsAre(""));
}

// The server's heartbeats come, so nobody else would ever end this.
TEST_F(CoordinatorTest, AJobThatCanGrantNoLeaseEndsAfterTheServerTimeout) {
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

TEST_F(CoordinatorTest, FailuresToGrantThatLieFarApartEndNothing) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 5; ++i) {
    coordinator.not_granted(acquire(a).lease, "server 0 does not answer", t);
    advance(20s, {heartbeat_of(a)});
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
}

TEST_F(CoordinatorTest, HeartbeatOfAnotherIncarnationSaysTheLeaseIsLost) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto first = acquire(a).lease;
  acquire(a);
  EXPECT_EQ(beat(a, first).kind, Heard::kLeaseLost);
}

TEST_F(CoordinatorTest, HeartbeatForAPartitionThatIsNotThereSaysTheLeaseIsLost) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_EQ(beat(a, {3, 1, 1, 100}).kind, Heard::kLeaseLost);
  EXPECT_EQ(finish(a, {3, 1, 1, 100}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(finish(a, {-1, 1, 1, 100}).code(), StatusCode::kInvalidArgument);
}

// --- Deaths ---

TEST_F(CoordinatorTest, DeathOfAProcessIsNoticedAtOnceWithItsFate) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const auto lease = acquire(a).lease;
  coordinator.take_events();
  coordinator.process_ended("hosta", 10, "was killed by signal 9 (Killed)", t);
  const auto events = coordinator.take_events();
  const auto ended = of_kind<MemberEnded>(events);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kDied);
  EXPECT_EQ(to_text(events[0]),
            "worker 0 (pid 10 on hosta) was killed by signal 9 (Killed): partition " +
                std::to_string(lease.partition) + " goes back to the queue");
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(coordinator.members().at(b).name.index, 0) << "the dead worker's number is free again";
  EXPECT_EQ(acquire(b).lease.partition, lease.partition);
}

TEST_F(CoordinatorTest, ProcessOfTheSameNumberOnAnotherHostLivesOn) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.process_ended("hostb", 10, "was killed", t);
  EXPECT_EQ(acquire(a).kind, Granted::kGranted);
}

TEST_F(CoordinatorTest, DeathOfAServerAbortsTheJobAndNamesIt) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.process_ended("hosta", 1, "was killed by signal 11 (Segmentation fault)", t);
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("server 0 (pid 1 on hosta) was killed"));
  const auto reply = acquire(a);
  EXPECT_EQ(reply.kind, Granted::kAbort);
  EXPECT_THAT(reply.reason, HasSubstr("server 0"));
}

TEST_F(CoordinatorTest, NoPartitionGoesBackWhenTheJobIsOver) {
  start();
  train(join(wire::Role::kWorker, 10));
  coordinator.abort("stopped", t);
  coordinator.process_ended("hosta", 10, "was killed", t);
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].partition, -1);
}

TEST_F(CoordinatorTest, ASilentServerIsWaitedForLongerThanAWorker) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  for (int i = 0; i < 29; ++i) {
    advance(1s);
    beat(heartbeat_of(a));
  }
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  advance(1s);
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("server 0 (pid 1 on hosta) has not been heard "
                                                    "of for 30 s; its parameters are gone"));
}

TEST_F(CoordinatorTest, AJobThatNoWorkerCanMakeSenseOfEnds) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_TRUE(leave(a, invalid_argument("batch size 64 is larger")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_EQ(coordinator.abort_reason(), "batch size 64 is larger");
}

// It may lack a layer that the others have.
TEST_F(CoordinatorTest, AWorkerThatIsRefusedEndsNothingWhileOthersLive) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const int64_t b = join(wire::Role::kWorker, 11);
  const auto lease = acquire(a).lease;
  EXPECT_TRUE(leave(a, invalid_argument("unknown layer")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kRefused);
  EXPECT_EQ(acquire(b).lease.partition, lease.partition);
}

TEST_F(CoordinatorTest, AWorkerThatIsRefusedEndsNothingWhenOthersHaveTrained) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  beat(a, train(a));
  EXPECT_TRUE(leave(a, ok_status()).ok());
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_TRUE(leave(b, invalid_argument("unknown layer")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
}

TEST_F(CoordinatorTest, AWorkerThatGivesUpForItsOwnReasonsEndsNothing) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_TRUE(leave(a, unavailable("server 0 is silent")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kGaveUp);
  EXPECT_EQ(ended[0].fate, "gave up: server 0 is silent");
}

TEST_F(CoordinatorTest, WaitingForWorkersHasADeadline) {
  start();
  advance(59s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_THAT(waits(), testing::Contains("a worker to join"));
  advance(1s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_EQ(coordinator.abort_reason(), "waited 60 s for a worker to join");
}

TEST_F(CoordinatorTest, WaitingForServersHasADeadline) {
  const int64_t a = join(wire::Role::kWorker, 10);
  advance(59s, {heartbeat_of(a)});
  EXPECT_EQ(coordinator.phase(), Phase::kWaitingForServers);
  EXPECT_TRUE(leave(a, ok_status()).ok());  // has nothing to do with it
  advance(1s);
  EXPECT_EQ(coordinator.abort_reason(), "waited 60 s for 1 of 1 parameter server(s) to join");
}

// How long large parameters take has nothing to do with who is there; their exchange has a deadline
// of its own.
TEST_F(CoordinatorTest, ServersMayTakeTheModelForAnyTime) {
  join(wire::Role::kServer, 1);
  advance(500s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kWaitingForServers);
}

TEST_F(CoordinatorTest, TheIdleTimeCountsFromWhenTheLastWorkerWasThere) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  advance(30s, {heartbeat_of(a)});
  EXPECT_TRUE(leave(a, ok_status()).ok());
  advance(59s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  const int64_t b = join(wire::Role::kWorker, 11);
  advance(1s, {heartbeat_of(b)});
  coordinator.process_ended("hosta", 11, "was killed", t);
  advance(59s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  advance(1s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
}

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

// --- Whom the job waits for ---

TEST_F(CoordinatorTest, ItIsSaidForWhomTheJobWaits) {
  advance(0s);
  EXPECT_THAT(waits(), ElementsAre("1 of 1 parameter server(s) to join"));
  join(wire::Role::kServer, 1);
  EXPECT_THAT(waits(), ElementsAre("the parameter servers to take the model"));
  coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  EXPECT_THAT(waits(), ElementsAre("a worker to join"));
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_THAT(waits(), ElementsAre(""));
  coordinator.abort("stopped", t);
  EXPECT_THAT(waits(), IsEmpty());
  EXPECT_TRUE(leave(a, ok_status()).ok());
  EXPECT_THAT(waits(), IsEmpty());
}

TEST_F(CoordinatorTest, ASilentMemberIsNamedBeforeItIsGivenUp) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  const int64_t b = join(wire::Role::kWorker, 11);
  const auto lease = train(a);
  coordinator.take_events();
  advance(2s);
  EXPECT_THAT(waits(), IsEmpty());
  beat(heartbeat_of(b));
  beat(heartbeat_of(server));
  advance(1s);
  EXPECT_THAT(waits(), ElementsAre("worker 0, which has not been heard of for some seconds"));
  // And another one, though somebody is named already.
  advance(2s);
  EXPECT_THAT(waits(), ElementsAre("server 0, which has not been heard of for some seconds; "
                                   "worker 0, which has not been heard of for some seconds"));
  beat(heartbeat_of(server));
  beat(a, lease);
  EXPECT_EQ(waits().back(), "");
}

TEST_F(CoordinatorTest, AStuckWorkerIsNamedAndThenGivenUp) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto stuck = heartbeat_of(a, train(a));
  stuck.step = 7;
  stuck.activity = 8;
  beat(stuck);
  coordinator.take_events();
  advance(9s, {stuck});
  EXPECT_THAT(waits(), IsEmpty());
  advance(1s, {stuck});
  const std::string where = "step 7 of partition " + std::to_string(stuck.partition);
  EXPECT_THAT(waits(), ElementsAre("worker 0, which has stood at " + where + " for 10 s"));
  advance(29s, {stuck});
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2);
  advance(1s);
  const auto events = coordinator.take_events();
  const auto ended = of_kind<MemberEnded>(events);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kStuck);
  EXPECT_EQ(ended[0].partition, stuck.partition);
  EXPECT_THAT(ended[0].fate, HasSubstr("is stuck: it has stood at " + where + " for 40 s"));
  EXPECT_EQ(acquire(b).lease.partition, stuck.partition);
  EXPECT_EQ(coordinator.heartbeat(stuck, t).status().code(), StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, WhoeverGetsSomethingDoneIsNotStuck) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto slow = heartbeat_of(a, train(a));
  for (int i = 0; i < 10; ++i) {
    ++slow.activity;  // records are read; no step yet
    advance(9s, {slow});
  }
  EXPECT_THAT(waits(), testing::Not(testing::Contains(HasSubstr("stood at"))));
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 1);
}

TEST_F(CoordinatorTest, WhoeverWaitsForAServerIsNotStuck) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto waiting = heartbeat_of(a, train(a));
  waiting.waiting_for = "server 0 at hosta:7001";
  coordinator.take_events();
  advance(300s, {waiting});
  EXPECT_THAT(waits(), ElementsAre("worker 0, which waits for server 0 at hosta:7001"));
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 1);
  waiting.waiting_for.clear();
  beat(waiting);
  EXPECT_THAT(waits(), ElementsAre(""));
  advance(41s, {});
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 0) << "its time starts when it waits no more";
}

// Whoever cannot connect to it only knows that it does not answer.
TEST_F(CoordinatorTest, AServerThatHasNoRoomIsNamedInsteadOfThoseThatWaitForIt) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto waiting = heartbeat_of(a, train(a));
  waiting.waiting_for = "server 0 at hosta:7001";
  auto full = heartbeat_of(server);
  full.waiting_for = "open files";
  coordinator.take_events();
  beat(waiting);
  beat(full);
  EXPECT_THAT(waits(), ElementsAre("worker 0, which waits for server 0 at hosta:7001",
                                   "server 0, which waits for open files"));
  beat(heartbeat_of(server));
  EXPECT_EQ(waits().back(), "worker 0, which waits for server 0 at hosta:7001");
}

TEST_F(CoordinatorTest, WhoeverWaitsForAServerThatIsSilentIsNotNamedBesideIt) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  auto waiting = heartbeat_of(a, train(a));
  waiting.waiting_for = "server 0 at hosta:7001";
  coordinator.take_events();
  for (int i = 0; i < 5; ++i) {
    advance(1s);
    beat(waiting);
  }
  EXPECT_THAT(waits(), ElementsAre("worker 0, which waits for server 0 at hosta:7001",
                                   "server 0, which has not been heard of for some seconds"));
}

TEST_F(CoordinatorTest, WhoeverHasNothingToDoIsNotStuck) {
  start();
  std::vector<std::pair<int64_t, wire::Lease>> holders;
  for (int64_t pid = 10; coordinator.has_work(); ++pid) {
    const int64_t holder = join(wire::Role::kWorker, pid);
    holders.emplace_back(holder, train(holder));
  }
  const int64_t idle = join(wire::Role::kWorker, 99);
  coordinator.take_events();
  for (int i = 0; i < 300; ++i) {
    for (const auto& [holder, lease] : holders) beat(holder, lease);
    advance(1s, {heartbeat_of(idle)});
  }
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), static_cast<int>(holders.size()) + 1);
  EXPECT_THAT(waits(), IsEmpty());
}

// As when its GPU hangs while it gets ready.
TEST_F(CoordinatorTest, WhoeverDoesNotAskForTheWorkThatThereIsIsNamedAndGivenUp) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.take_events();
  advance(39s, {heartbeat_of(a)});
  EXPECT_THAT(waits(), ElementsAre("worker 0, which has got nothing done for 10 s"));
  advance(1s);
  const auto events = coordinator.take_events();
  const auto ended = of_kind<MemberEnded>(events);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kStuck);
  EXPECT_EQ(ended[0].partition, -1);
}

// It joins again as long as its process lives; that is no worker that the job could wait for.
TEST_F(CoordinatorTest, AWorkerThatOnlyJoinsDoesNotKeepTheJobWaitingForEver) {
  start();
  for (int64_t i = 0; i < 5 && !coordinator.over(); ++i) {
    const int64_t a = join(wire::Role::kWorker, 10);
    for (int s = 0; s < 41 && !coordinator.over(); ++s) {
      (void)coordinator.heartbeat(heartbeat_of(a), t);
      advance(1s, {});
    }
  }
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("for a worker to join"));
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

TEST_F(CoordinatorTest, AMemberThatASignalStopsIsNamedWithTheSignal) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  (void)coordinator.take_events();
  EXPECT_TRUE(leave(a, cancelled("stopped by SIGTERM")).ok());
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, MemberEnded::How::kLeft);
  EXPECT_EQ(ended[0].fate, "was stopped by SIGTERM");
  EXPECT_TRUE(leave(server, cancelled("stopped by SIGUSR1")).ok());
  EXPECT_THAT(coordinator.abort_reason(),
              testing::MatchesRegex("server 0 .* was stopped by SIGUSR1; its parameters are gone"));
}

TEST_F(CoordinatorTest, AMemberThatLeavesAJobThatIsOverHasJustLeft) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.abort("the driver was stopped by SIGINT", t);
  (void)coordinator.take_events();
  EXPECT_TRUE(leave(a, cancelled("the driver was stopped by SIGINT")).ok());
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].fate, "left");
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
