// How jobs end before they are done: stopped, aborted, refused.
#include <gmock/gmock.h>

#include "tests/driver/driver_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using Says = wire::HeartbeatReply::Kind;

class DriverEndTest : public DriverFixture {};

TEST_F(DriverEndTest, StoppingEndsTheJobForEverybody) {
  start();
  const int64_t worker = join_worker();
  EXPECT_EQ(acquire(worker).kind, wire::AcquireReply::Kind::kGranted);
  const auto server = send_heartbeat(server_members[0]);
  driver->stop("stopped by SIGTERM");
  world.run();
  EXPECT_EQ(acquire(worker).kind, wire::AcquireReply::Kind::kAbort);
  ASSERT_TRUE(server.is_there());
  EXPECT_EQ(server.get()->kind, Says::kAbort);
  EXPECT_EQ(server.get()->reason, "stopped by SIGTERM");
  leave(worker, cancelled("stopped"));
  EXPECT_EQ(end().status(), cancelled("stopped by SIGTERM"));
}

TEST_F(DriverEndTest, AJobThatIsStoppedMayKeepWhatItHasLearned) {
  options.keep_when_stopped = true;
  start();
  const int64_t worker = join_worker();
  const auto server = send_heartbeat(server_members[0]), drained = send_heartbeat(worker);
  for (FakeServer& each : servers) each.set_values(7);
  driver->stop("stopped by SIGTERM");
  driver->stop("again");
  world.run();
  ASSERT_TRUE(drained.is_there());
  EXPECT_EQ(drained.get()->kind, Says::kDrain);
  EXPECT_EQ(drained.get()->reason, "stopped by SIGTERM");
  EXPECT_EQ(acquire(worker).kind, wire::AcquireReply::Kind::kAbort);
  EXPECT_FALSE(server.is_there()) << "a push may be under way";
  leave(worker, cancelled("stopped by SIGTERM"));
  world.run();
  ASSERT_TRUE(server.is_there());
  EXPECT_EQ(server.get()->kind, Says::kAbort);
  EXPECT_EQ(server.get()->reason, "stopped by SIGTERM");
  servers_leave();
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(result->stopped, "stopped by SIGTERM");
  EXPECT_THAT(result->parameters.span(), testing::Each(7.0f));
  EXPECT_EQ(result->averages.size(), 0u);
  EXPECT_EQ(result->trained().data(), result->parameters.data());
  EXPECT_EQ(observer.all<JobStopping>().size(), 1u);
}

// Its worker was killed between two commits.
TEST_F(DriverEndTest, APushThatIsHalfCommittedIsCommittedBeforeItIsKept) {
  options.keep_when_stopped = true;
  start();
  const int64_t worker = join_worker();
  const wire::Lease lease = acquire(worker).lease;
  const wire::FenceReply applied{.sequence = lease.next_sequence};
  const wire::FenceReply staged{.sequence = lease.next_sequence - 1, .staged = true};
  servers[0].answer_fence(applied);
  servers[1].answer_fence(staged);
  driver->stop("stopped by SIGTERM");
  leave(worker, unavailable("killed"));
  world.run();
  EXPECT_EQ(servers[0].told().commits.size(), 0u);
  ASSERT_EQ(servers[1].told().commits.size(), 1u);
  const wire::PushHeader commit = servers[1].told().commits[0];
  EXPECT_EQ(commit.id.partition, lease.partition);
  EXPECT_EQ(commit.id.sequence, lease.next_sequence);
  EXPECT_GT(commit.id.incarnation, lease.incarnation);
  servers_leave();
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(result->stopped, "stopped by SIGTERM");
}

TEST_F(DriverEndTest, AJobThatIsStoppedKeepsItsAveragesToo) {
  options.keep_when_stopped = true;
  options.training.optimizer.use_ema = true;
  start();
  for (FakeServer& each : servers) each.set_average(2);
  driver->stop("stopped by SIGTERM");
  world.run();
  servers_leave();
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(result->stopped, "stopped by SIGTERM");
  EXPECT_THAT(result->trained(), testing::Each(2.0f));
}

// Then everything is read once more, behind what is being read.
TEST_F(DriverEndTest, AJobMayBeDoneWhileItsAveragesAreKept) {
  options.keep_when_stopped = true;
  options.training.optimizer.use_ema = true;
  start();
  for (FakeServer& each : servers) each.set_average(2);
  const int64_t worker = join_worker();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(finish(worker, acquire(worker).lease).ok());
  const wire::Lease last = acquire(worker).lease;
  driver->stop("stopped by SIGTERM");
  servers[1].keep_silent(ServerCall::kPull);
  world.advance(1500ms);
  ASSERT_GT(servers[1].kept(), 0u) << "its values are asked for";
  servers[1].speak();
  servers[1].keep_silent(ServerCall::kPull);
  world.run();
  ASSERT_GT(servers[1].kept(), 0u) << "and its averages";
  EXPECT_TRUE(finish(worker, last).ok());
  for (FakeServer& each : servers) each.set_average(3);
  servers[1].speak();
  world.run();
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(result->stopped, "") << "nothing is missing";
  EXPECT_THAT(result->trained(), testing::Each(3.0f));
}

// What a server said before the last push is not taken for the end.
TEST_F(DriverEndTest, AJobMayBeDoneWhileItsLedgersAreKept) {
  options.keep_when_stopped = true;
  start();
  const int64_t worker = join_worker();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(finish(worker, acquire(worker).lease).ok());
  const wire::Lease last = acquire(worker).lease;
  wire::LedgerReply early = complete_ledger(1);
  early.version = 7;
  servers[1].answer_ledger(early);
  servers[1].keep_silent(ServerCall::kLedger);
  driver->stop("stopped by SIGTERM");
  world.advance(1500ms);
  ASSERT_GT(servers[1].kept(), 0u);
  EXPECT_TRUE(finish(worker, last).ok());
  servers[1].speak();
  servers[1].answer_ledger(complete_ledger(1));
  world.run();
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(result->stopped, "");
}

TEST_F(DriverEndTest, AWorkerThatEndsNoPushHoldsAStopUpForAWhileOnly) {
  options.keep_when_stopped = true;
  start();
  join_worker();
  driver->stop("stopped by SIGTERM");
  world.advance(1400ms);
  const auto server = send_heartbeat(server_members[0]);
  world.advance(99ms);
  EXPECT_FALSE(server.is_there());
  world.advance(1ms);
  ASSERT_TRUE(server.is_there());
  EXPECT_EQ(server.get()->kind, Says::kAbort);
}

TEST_F(DriverEndTest, AWorkerThatNeverLeavesDoesNotHoldUpWhatWasKept) {
  options.keep_when_stopped = true;
  start();
  join_worker();
  for (FakeServer& each : servers) each.set_values(7);
  driver->stop("stopped by SIGTERM");
  world.advance(1500ms);
  world.run();
  servers_leave();
  world.advance(1400ms);
  EXPECT_EQ(ends, 0);
  world.advance(100ms);
  EXPECT_EQ(ends, 1);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_THAT(result->parameters.span(), testing::Each(7.0f));
}

TEST_F(DriverEndTest, AStoppedJobWaitsForItsServersOnlyForAWhile) {
  options.keep_when_stopped = true;
  start();
  for (FakeServer& each : servers) each.keep_silent(ServerCall::kPull);
  driver->stop("stopped by SIGTERM");
  world.advance(4900ms);
  EXPECT_EQ(ends, 0);
  world.advance(100ms);
  world.advance(1500ms);
  EXPECT_EQ(end().status(), cancelled("stopped by SIGTERM"));
}

// A signal to every process of a job comes to its servers too: they stay for as long as they are
// needed.
TEST_F(DriverEndTest, AServerThatWasStoppedStopsTheJobAndIsNotLetGoBeforeItWasRead) {
  options.keep_when_stopped = true;
  start();
  for (FakeServer& each : servers) {
    each.set_values(7);
    each.keep_silent(ServerCall::kPull);
  }
  Pending<Status> left;
  driver->leave({job, server_members[0], cancelled("stopped by SIGTERM")}, left.reply());
  world.run();
  EXPECT_FALSE(left.is_there());
  for (FakeServer& each : servers) each.speak();
  world.run();
  EXPECT_TRUE(left.is_there());
  leave(server_members[1]);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_THAT(result->stopped, testing::MatchesRegex("server 0 .* was stopped by SIGTERM"));
  EXPECT_THAT(result->parameters.span(), testing::Each(7.0f));
}

TEST_F(DriverEndTest, AnAbortCarriesItsReasonToTheResult) {
  start();
  driver->abort("every worker is gone");
  driver->stop("later");
  world.run();
  EXPECT_EQ(end().status(), Status(StatusCode::kAborted, "every worker is gone"));
  EXPECT_EQ(observer.all<JobEnding>().size(), 1u);
}

TEST_F(DriverEndTest, AServerThatRefusesItsShardsEndsTheJobWithItsWords) {
  servers[1].answer_create(Status(StatusCode::kInvalidArgument, "no such rule"));
  make_driver();
  join_servers();
  const auto server = send_heartbeat(server_members[0]);
  run();
  ASSERT_TRUE(server.is_there()) << "members are told to end in every case";
  EXPECT_EQ(server.get()->kind, Says::kAbort);
  EXPECT_THAT(server.get()->reason, HasSubstr("no such rule"));
  EXPECT_EQ(end().status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(), HasSubstr("no such rule"));
}

TEST_F(DriverEndTest, WhoeverDoesNotLeaveIsLeftAlone) {
  start();
  const int64_t worker = join_worker();
  train_everything(worker);
  EXPECT_EQ(ends, 0);
  world.advance(4900ms);
  EXPECT_EQ(ends, 0);
  world.advance(100ms);
  EXPECT_EQ(ends, 1);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->workers[0].processes[0].fate, "still there");
}

TEST_F(DriverEndTest, WhoeverStopsAJobDoesNotWaitForLong) {
  start();
  join_worker();
  driver->stop("stopped by SIGTERM");
  world.advance(1500ms);
  EXPECT_EQ(ends, 1);
}

TEST_F(DriverEndTest, NorWhoeverStopsOneThatIsAboutToEnd) {
  start();
  train_everything(join_worker());
  world.advance(1s);
  driver->stop("stopped by SIGTERM");
  world.advance(1500ms);
  EXPECT_EQ(ends, 1);
  EXPECT_TRUE(result.ok()) << "it was trained";
}

TEST_F(DriverEndTest, WhatCannotBeCutIsRefusedBeforeAnybodyJoins) {
  options.shards = 5;  // none may have fewer than 16 parameters
  EXPECT_THROW(make_driver(), std::invalid_argument);
  options.shards = 4;
  options.training.partitions = 13;
  options.pushes.assign(13, 1);
  EXPECT_THROW(make_driver(), std::invalid_argument);
}

TEST_F(DriverEndTest, APartitionWhosePushesAreNotKnownIsRefused) {
  options.pushes.pop_back();
  EXPECT_THROW(make_driver(), std::invalid_argument);
}

TEST_F(DriverEndTest, AJobThatWasStoppedBeforeItStartedEndsAtOnce) {
  make_driver();
  join_servers();
  driver->stop("stopped by SIGTERM");
  world.run();
  EXPECT_EQ(ends, 0);
  run();
  EXPECT_THAT(servers[0].told().created, IsEmpty());
  EXPECT_EQ(end().status(), cancelled("stopped by SIGTERM"));
}

// The driver's time begins when it is started, however long its members have been there.
TEST_F(DriverEndTest, NobodyIsGivenUpBeforeTheJobStarts) {
  make_driver();
  join_servers();
  world.advance(100s);
  run();
  EXPECT_EQ(observer.all<TrainingStarted>().size(), 1u);
  EXPECT_THAT(observer.all<MemberEnded>(), IsEmpty());
}

}  // namespace
}  // namespace sluice::driver
