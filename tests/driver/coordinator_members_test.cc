#include <gmock/gmock.h>

#include "driver/coordinator.h"
#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Granted = wire::AcquireReply::Kind;
using How = MemberEnded::How;

class CoordinatorMembersTest : public CoordinatorFixture {};

// --- Members ---

TEST_F(CoordinatorMembersTest, AWorkersSlotIsTheLowestThatNobodyOfItsMachineHas) {
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

TEST_F(CoordinatorMembersTest, WhereTheMachineIsNotKnownItsNameDecidesTheSlot) {
  const auto slot = [this](const std::string& host, int64_t pid) {
    auto request = join_request(wire::Role::kWorker, pid);
    request.process = {host, "", pid, 1};
    return coordinator.join(request, t)->slot;
  };
  EXPECT_EQ(slot("hosta", 10), 0);
  EXPECT_EQ(slot("hostb", 10), 0);
  EXPECT_EQ(slot("hosta", 11), 1);
}

TEST_F(CoordinatorMembersTest, PreferredNumbersAreGivenWhereTheyAreFree) {
  const auto index = [this](int64_t member) { return coordinator.members().at(member).name.index; };
  EXPECT_EQ(index(join(wire::Role::kWorker, 10, 2)), 2);
  EXPECT_EQ(index(join(wire::Role::kWorker, 11, 2)), 0);
  EXPECT_EQ(index(join(wire::Role::kServer, 1, 9)), 0);
}

TEST_F(CoordinatorMembersTest, AbsurdNumberIsNotGiven) {
  const int64_t a = join(wire::Role::kWorker, 10, 2'000'000'000);
  EXPECT_EQ(coordinator.members().at(a).name.index, 0);
}

TEST_F(CoordinatorMembersTest, AnotherVersionIsRefused) {
  auto request = join_request(wire::Role::kWorker, 10);
  request.version = "0.0.1";
  const auto reply = coordinator.join(request, t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(), HasSubstr("0.0.1"));
  const auto refused = of_kind<JoinRefused>(coordinator.take_events());
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].why, reply.status());
}

TEST_F(CoordinatorMembersTest, OneServerTooManyIsRefusedWithAdvice) {
  join(wire::Role::kServer, 1);
  const auto reply = coordinator.join(join_request(wire::Role::kServer, 2), t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(), HasSubstr("--servers 2"));
}

// Where a server was restarted, "there are enough" would be no help.
TEST_F(CoordinatorMembersTest, ASecondServerHearsThatTheFirstIsSilent) {
  start();
  advance(12s);
  const auto reply = coordinator.join(join_request(wire::Role::kServer, 2), t);
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.status().message(),
              HasSubstr("server 0 (pid 1 on hosta) has not been heard of for 12 s and is waited "
                        "for 18 s more"));
}

TEST_F(CoordinatorMembersTest, JoinThatIsRepeatedMakesNoSecondMember) {
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
TEST_F(CoordinatorMembersTest, MembersOfAnotherJobAreNotKnown) {
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

TEST_F(CoordinatorMembersTest, CallsThatNameAnotherJobAreNotFoundAndChangeNothing) {
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

TEST_F(CoordinatorMembersTest, AServerStartedAgainReplacesItsDeadSelfAtOnce) {
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

TEST_F(CoordinatorMembersTest, AServerStartedAgainWhileTheJobTrainsHasLostItsParameters) {
  join(container(wire::Role::kServer, 100));
  coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  const auto again = coordinator.join(container(wire::Role::kServer, 200), t);
  EXPECT_EQ(again.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(coordinator.abort_reason(),
              HasSubstr("server 0 (pid 1 on box) was started again; its parameters are gone"));
}

TEST_F(CoordinatorMembersTest, AWorkerStartedAgainNeedNotWaitForTheLeaseOfItsDeadSelf) {
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

TEST_F(CoordinatorMembersTest, OneThatTookLongToStartReplacesItsDeadSelfAtOnce) {
  start();
  const int64_t dead = join(container(wire::Role::kWorker, 100));
  advance(4s);
  const int64_t again = join(container(wire::Role::kWorker, 200));
  EXPECT_FALSE(coordinator.members().at(dead).alive);
  EXPECT_EQ(coordinator.members().at(again).name.index, 0);
  EXPECT_EQ(coordinator.members().at(again).slot, 0);
}

// With the host's network, all containers of a machine have its name, and process 1.
TEST_F(CoordinatorMembersTest, ContainersThatShareAHostNameDoNotReplaceOneAnother) {
  start();
  const int64_t a = join(container(wire::Role::kWorker, 100));
  const int64_t b = join(container(wire::Role::kWorker, 101));
  advance(20s, {heartbeat_of(a), heartbeat_of(b)});
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2);
  advance(9s);
  EXPECT_EQ(coordinator.live(wire::Role::kWorker), 2) << "nobody is doubted any more";
}

// --- Deaths ---

TEST_F(CoordinatorMembersTest, DeathOfAProcessIsNoticedAtOnceWithItsFate) {
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

TEST_F(CoordinatorMembersTest, ProcessOfTheSameNumberOnAnotherHostLivesOn) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.process_ended("hostb", 10, "was killed", t);
  EXPECT_EQ(acquire(a).kind, Granted::kGranted);
}

TEST_F(CoordinatorMembersTest, DeathOfAServerAbortsTheJobAndNamesIt) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.process_ended("hosta", 1, "was killed by signal 11 (Segmentation fault)", t);
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_THAT(coordinator.abort_reason(), HasSubstr("server 0 (pid 1 on hosta) was killed"));
  const auto reply = acquire(a);
  EXPECT_EQ(reply.kind, Granted::kAbort);
  EXPECT_THAT(reply.reason, HasSubstr("server 0"));
}

TEST_F(CoordinatorMembersTest, NoPartitionGoesBackWhenTheJobIsOver) {
  start();
  train(join(wire::Role::kWorker, 10));
  coordinator.abort("stopped", t);
  coordinator.process_ended("hosta", 10, "was killed", t);
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].partition, -1);
}

TEST_F(CoordinatorMembersTest, ASilentServerIsWaitedForLongerThanAWorker) {
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

TEST_F(CoordinatorMembersTest, AJobThatNoWorkerCanMakeSenseOfEnds) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_TRUE(leave(a, invalid_argument("batch size 64 is larger")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_EQ(coordinator.abort_reason(), "batch size 64 is larger");
}

// It may lack a layer that the others have.
TEST_F(CoordinatorMembersTest, AWorkerThatIsRefusedEndsNothingWhileOthersLive) {
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

TEST_F(CoordinatorMembersTest, AWorkerThatIsRefusedEndsNothingWhenOthersHaveTrained) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  beat(a, train(a));
  EXPECT_TRUE(leave(a, ok_status()).ok());
  const int64_t b = join(wire::Role::kWorker, 11);
  EXPECT_TRUE(leave(b, invalid_argument("unknown layer")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
}

TEST_F(CoordinatorMembersTest, AWorkerThatGivesUpForItsOwnReasonsEndsNothing) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  EXPECT_TRUE(leave(a, unavailable("server 0 is silent")).ok());
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kGaveUp);
  EXPECT_EQ(ended[0].fate, "gave up: server 0 is silent");
}

TEST_F(CoordinatorMembersTest, WaitingForWorkersHasADeadline) {
  start();
  advance(59s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kTraining);
  EXPECT_THAT(waits(), testing::Contains("a worker to join"));
  advance(1s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kAborted);
  EXPECT_EQ(coordinator.abort_reason(), "waited 60 s for a worker to join");
}

TEST_F(CoordinatorMembersTest, WaitingForServersHasADeadline) {
  const int64_t a = join(wire::Role::kWorker, 10);
  advance(59s, {heartbeat_of(a)});
  EXPECT_EQ(coordinator.phase(), Phase::kWaitingForServers);
  EXPECT_TRUE(leave(a, ok_status()).ok());  // has nothing to do with it
  advance(1s);
  EXPECT_EQ(coordinator.abort_reason(), "waited 60 s for 1 of 1 parameter server(s) to join");
}

// How long large parameters take has nothing to do with who is there; their exchange has a deadline
// of its own.
TEST_F(CoordinatorMembersTest, ServersMayTakeTheModelForAnyTime) {
  join(wire::Role::kServer, 1);
  advance(500s, {});
  EXPECT_EQ(coordinator.phase(), Phase::kWaitingForServers);
}

TEST_F(CoordinatorMembersTest, TheIdleTimeCountsFromWhenTheLastWorkerWasThere) {
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

TEST_F(CoordinatorMembersTest, AMemberThatASignalStopsIsNamedWithTheSignal) {
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

TEST_F(CoordinatorMembersTest, AMemberThatLeavesAJobThatIsOverHasJustLeft) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  coordinator.abort("the driver was stopped by SIGINT", t);
  (void)coordinator.take_events();
  EXPECT_TRUE(leave(a, cancelled("the driver was stopped by SIGINT")).ok());
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].fate, "left");
}

}  // namespace
}  // namespace sluice::driver
