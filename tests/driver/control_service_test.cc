// The driver's answers that take more than the coordinator: leases, which every server must fence,
// what is kept back until there is news, and the records of a partition.
#include <gmock/gmock.h>

#include "tests/driver/driver_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = wire::AcquireReply::Kind;
using Says = wire::HeartbeatReply::Kind;

// --- Leases ---

class AcquireTest : public DriverFixture {};

TEST_F(AcquireTest, ALeaseStartsBehindTheLastPushThatTheServersHave) {
  start();
  for (FakeServer& server : servers) server.answer_fence(wire::FenceReply{1});
  const auto granted = acquire(join_worker());
  ASSERT_EQ(granted.kind, Kind::kGranted);
  EXPECT_EQ(granted.lease.next_sequence, 2);
  EXPECT_EQ(granted.lease.records, 4);
  EXPECT_THAT(granted.parameters.servers, ElementsAre("server 0", "server 1"));
  for (const FakeServer& server : servers) {
    const auto told = server.told();
    ASSERT_EQ(told.fences.size(), 1u);
    EXPECT_EQ(told.fences[0].job, told.created[0].job);
    EXPECT_EQ(told.fences[0].partition, granted.lease.partition);
    EXPECT_EQ(told.fences[0].incarnation, granted.lease.incarnation);
  }
  const auto said = observer.last<LeaseGranted>();
  EXPECT_EQ(said.lease.next_sequence, 2);
}

// Whoever had the lease died between the two.
TEST_F(AcquireTest, WhatOneServerHasAppliedAndAnotherHasStagedIsCommittedFirst) {
  start();
  servers[0].answer_fence(wire::FenceReply{1});
  servers[1].answer_fence(wire::FenceReply{0, /*staged=*/true});
  servers[1].keep_silent(ServerCall::kCommit);
  const auto granted = ask_for_lease(join_worker());
  world.run();
  EXPECT_FALSE(granted.is_there());
  servers[1].speak();
  world.run();
  ASSERT_TRUE(granted.is_there());
  ASSERT_EQ(granted.get()->kind, Kind::kGranted);
  EXPECT_EQ(granted.get()->lease.next_sequence, 2);
  EXPECT_TRUE(servers[0].told().commits.empty());
  const auto commits = servers[1].told().commits;
  ASSERT_EQ(commits.size(), 1u);
  EXPECT_EQ(commits[0].shards.count, 0) << "nobody wants values";
  EXPECT_EQ(commits[0].id.partition, granted.get()->lease.partition);
  EXPECT_EQ(commits[0].id.incarnation, granted.get()->lease.incarnation);
  EXPECT_EQ(commits[0].id.sequence, 1);
}

TEST_F(AcquireTest, ACommitThatIsNotAnsweredIsTriedAgainWithTheNextGrant) {
  start();
  servers[0].answer_fence(wire::FenceReply{1});
  servers[1].answer_fence(wire::FenceReply{0, /*staged=*/true});
  servers[1].keep_silent(ServerCall::kCommit);
  const int64_t worker = join_worker();
  const auto waiting = ask_for_lease(worker);
  world.advance(3s);
  ASSERT_TRUE(waiting.is_there());
  EXPECT_EQ(waiting.get()->kind, Kind::kWait);
  servers[1].speak();  // it had been applied all the same
  servers[1].answer_fence(wire::FenceReply{1});
  const auto granted = acquire(worker);
  EXPECT_EQ(granted.kind, Kind::kGranted);
  EXPECT_EQ(granted.lease.next_sequence, 2);
  EXPECT_EQ(servers[1].told().commits.size(), 1u);
}

TEST_F(AcquireTest, WithoutEveryServersFenceNobodyGetsThePartition) {
  start();
  servers[1].answer_fence(unavailable("server 1 does not answer"));
  const auto refused = acquire(join_worker(10));
  EXPECT_EQ(refused.kind, Kind::kWait);
  EXPECT_THAT(refused.reason, HasSubstr("server 1 does not answer"));
  EXPECT_GT(refused.retry_after, core::Duration::zero());
  EXPECT_THAT(observer.last<WaitsFor>().whom, HasSubstr("server 1 does not answer"));
  const wire::FenceRequest fenced = servers[0].told().fences.back();

  servers[1].answer_fence(wire::FenceReply{0});
  const auto granted = acquire(join_worker(11));  // whoever asks next
  ASSERT_EQ(granted.kind, Kind::kGranted);
  EXPECT_EQ(granted.lease.partition, fenced.partition);
  EXPECT_GT(granted.lease.incarnation, fenced.incarnation);  // what server 0 had fenced stays old
  EXPECT_EQ(granted.lease.next_sequence, 1);
  EXPECT_EQ(observer.last<WaitsFor>().whom, "");
}

TEST_F(AcquireTest, AServerThatDoesNotAnswerAFenceIsAskedAgain) {
  start();
  servers[1].keep_silent(ServerCall::kFence);
  const int64_t worker = join_worker();
  const auto waiting = ask_for_lease(worker);
  world.advance(2900ms);  // a tenth of the time after which a worker gives its driver up
  EXPECT_FALSE(waiting.is_there());
  world.advance(100ms);
  ASSERT_TRUE(waiting.is_there());
  EXPECT_EQ(waiting.get()->kind, Kind::kWait);
  EXPECT_THAT(waiting.get()->reason, HasSubstr("server 1"));
  servers[1].speak();
  EXPECT_EQ(acquire(worker).kind, Kind::kGranted);
}

TEST_F(AcquireTest, AServerThatRefusesAFenceEndsTheJobWithItsWords) {
  start();
  servers[1].answer_fence(not_found("server 1 works for another job"));
  const int64_t worker = join_worker();
  const auto refused = acquire(worker);
  EXPECT_EQ(refused.kind, Kind::kAbort);
  EXPECT_EQ(refused.reason, "server 1 works for another job");
  leave(worker, cancelled(refused.reason));
  servers_leave();
  EXPECT_EQ(result.status(), not_found("server 1 works for another job"));
}

TEST_F(AcquireTest, AServerThatHasMorePushesThanThereAreEndsTheJob) {
  start();
  servers[0].answer_fence(wire::FenceReply{99});
  EXPECT_EQ(acquire(join_worker()).kind, Kind::kAbort);
  EXPECT_THAT(observer.last<JobEnding>().why.message(),
              HasSubstr("of partition 0, and speaks of 99"));
}

TEST_F(AcquireTest, WhoeverIsGivenUpWhileItsLeaseIsFencedDoesNotGetIt) {
  start();
  servers[1].keep_silent(ServerCall::kFence);
  const auto lost = ask_for_lease(join_worker(10));
  process_ended(10, "was killed");
  servers[1].speak();
  world.run();
  ASSERT_TRUE(lost.is_there());
  EXPECT_EQ(lost.get()->kind, Kind::kWait);
  EXPECT_THAT(observer.all<LeaseGranted>(), testing::IsEmpty());
  EXPECT_EQ(acquire(join_worker(11)).lease.partition, 0);
}

// The answer to its first call was lost, and comes after all.
TEST_F(AcquireTest, OfTwoCallsOfAMemberTheLaterOneGetsTheLease) {
  start();
  servers[1].keep_silent(ServerCall::kFence);
  const int64_t worker = join_worker();
  const auto first = ask_for_lease(worker);
  const auto second = ask_for_lease(worker);
  servers[1].speak();
  world.run();
  ASSERT_TRUE(first.is_there() && second.is_there());
  EXPECT_EQ(first.get()->kind, Kind::kWait);
  ASSERT_EQ(second.get()->kind, Kind::kGranted);
  EXPECT_TRUE(finish(worker, second.get()->lease).ok());
}

// --- What is kept back ---

TEST_F(AcquireTest, WhoeverFindsNothingToDoHearsWhyAfterASecond) {
  make_driver();
  run();
  const auto waiting = ask_for_lease(join_worker());
  world.advance(999ms);
  EXPECT_FALSE(waiting.is_there());
  world.advance(1ms);
  ASSERT_TRUE(waiting.is_there());
  EXPECT_EQ(waiting.get()->kind, Kind::kWait);
  EXPECT_EQ(waiting.get()->reason, "2 of 2 parameter server(s) to join");
}

// Else every attempt of a worker with little patience would run out of time.
TEST_F(AcquireTest, WhoeverHasLittlePatienceHearsSooner) {
  options.training.driver_timeout = 2s;
  make_driver();
  run();
  const auto waiting = ask_for_lease(join_worker());
  world.advance(199ms);
  EXPECT_FALSE(waiting.is_there());
  world.advance(1ms);
  EXPECT_TRUE(waiting.is_there());
}

TEST_F(AcquireTest, WhoeverWaitsGetsThePartitionOfTheDeadAtOnce) {
  start();
  for (int64_t pid = 10; pid < 13; ++pid) acquire(join_worker(pid));
  const auto waiting = ask_for_lease(join_worker(13));
  EXPECT_FALSE(waiting.is_there());
  process_ended(11, "was killed");
  ASSERT_TRUE(waiting.is_there());
  EXPECT_EQ(waiting.get()->kind, Kind::kGranted);
  EXPECT_EQ(waiting.get()->lease.partition, 1);
}

TEST_F(AcquireTest, WhoeverWaitsForServersBeginsWhenTrainingDoes) {
  make_driver();
  run();
  const auto waiting = ask_for_lease(join_worker());
  join_servers();
  ASSERT_TRUE(waiting.is_there());
  EXPECT_EQ(waiting.get()->kind, Kind::kGranted);
}

TEST_F(AcquireTest, WhoeverWaitsHearsOfTheEndAtOnce) {
  start();
  const int64_t last = join_worker(10);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(finish(last, acquire(last).lease).ok());
  const auto lease = acquire(last).lease;
  const auto waiting = ask_for_lease(join_worker(11));
  EXPECT_FALSE(waiting.is_there());
  EXPECT_TRUE(finish(last, lease).ok());
  ASSERT_TRUE(waiting.is_there());
  EXPECT_EQ(waiting.get()->kind, Kind::kDone);
}

TEST_F(AcquireTest, AMemberThatAsksAgainIsAnsweredTwice) {
  make_driver();
  run();
  const int64_t worker = join_worker();
  const auto first = ask_for_lease(worker);
  const auto second = ask_for_lease(worker);
  ASSERT_TRUE(first.is_there());
  EXPECT_EQ(first.get()->kind, Kind::kWait);
  EXPECT_FALSE(second.is_there());
  join_servers();
  EXPECT_EQ(second.get()->kind, Kind::kGranted);
}

TEST_F(AcquireTest, StrangersAreNotFoundAtOnce) {
  start();
  const auto stranger = ask_for_lease(4711);
  ASSERT_TRUE(stranger.is_there());
  EXPECT_EQ(stranger.get().status().code(), StatusCode::kNotFound);
}

class HeartbeatTest : public DriverFixture {};

TEST_F(HeartbeatTest, WithoutNewsItIsAnsweredWhenTheMemberWants) {
  start();
  const auto heard = send_heartbeat(join_worker(), 700ms);
  world.advance(699ms);
  EXPECT_FALSE(heard.is_there());
  world.advance(1ms);
  ASSERT_TRUE(heard.is_there());
  EXPECT_EQ(heard.get()->kind, Says::kContinue);
}

TEST_F(HeartbeatTest, OneThatMayNotBeKeptIsAnsweredAtOnce) {
  start();
  EXPECT_TRUE(send_heartbeat(join_worker(), 0s).is_there());
}

TEST_F(HeartbeatTest, NoneIsKeptForLongerThanAMemberCanBear) {
  start();
  const int64_t worker = join_worker();
  const auto heard = send_heartbeat(worker, core::Duration::max());
  live_for(10s, {server_members[0], server_members[1]});
  EXPECT_TRUE(heard.is_there());
}

TEST_F(HeartbeatTest, AnOlderOneIsAnsweredWhenANewerComes) {
  start();
  const int64_t worker = join_worker();
  const auto older = send_heartbeat(worker);
  const auto newer = send_heartbeat(worker);
  ASSERT_TRUE(older.is_there() && older.get().ok());
  EXPECT_EQ(older.get()->kind, Says::kContinue);
  EXPECT_FALSE(newer.is_there());
}

TEST_F(HeartbeatTest, AnAbortIsHeardByEverybodyAtOnce) {
  start();
  const auto worker = send_heartbeat(join_worker());
  const auto server = send_heartbeat(server_members[0]);
  driver->abort("every worker is gone");
  world.run();
  for (const auto& heard : {worker, server}) {
    ASSERT_TRUE(heard.is_there());
    EXPECT_EQ(heard.get()->kind, Says::kAbort);
    EXPECT_EQ(heard.get()->reason, "every worker is gone");
  }
  EXPECT_TRUE(send_heartbeat(server_members[1]).is_there()) << "and by who asks later";
}

TEST_F(HeartbeatTest, WhoeverIsGivenUpHearsItAtOnce) {
  start();
  const auto given_up = send_heartbeat(join_worker(10));
  const auto other = send_heartbeat(join_worker(11));
  process_ended(10, "was killed");
  ASSERT_TRUE(given_up.is_there());
  EXPECT_EQ(given_up.get().status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(other.is_there());
}

TEST_F(HeartbeatTest, TheEndIsHeardWhenTheResultIsHad) {
  start();
  const int64_t worker = join_worker();
  servers[1].keep_silent(ServerCall::kPull);
  const auto server = send_heartbeat(server_members[0]);
  train_everything(worker);
  EXPECT_FALSE(server.is_there()) << "the parameters are still wanted";
  servers[1].speak();
  world.run();
  ASSERT_TRUE(server.is_there());
  EXPECT_EQ(server.get()->kind, Says::kDone);
  EXPECT_EQ(send_heartbeat(worker).get()->kind, Says::kDone);
}

// --- Records ---

class FetchTest : public DriverFixture {
 protected:
  Result<wire::RecordChunk> fetch(uint64_t of_job, int64_t partition) {
    Pending<Result<wire::RecordChunk>> fetched;
    driver->fetch({of_job, partition, 0}, fetched.reply());
    world.run();
    return fetched.get();
  }
};

TEST_F(FetchTest, RecordsAreForMembersOfThisJob) {
  start();
  const auto chunk = fetch(job, 1);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(chunk->labels.size(), 4u);
  EXPECT_EQ(fetch(job + 1, 1).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fetch(job, 3).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace sluice::driver
