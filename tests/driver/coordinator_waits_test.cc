#include <gmock/gmock.h>

#include "driver/coordinator.h"
#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using How = MemberEnded::How;

class CoordinatorWaitsTest : public CoordinatorFixture {};

TEST_F(CoordinatorWaitsTest, ItIsSaidForWhomTheJobWaits) {
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

TEST_F(CoordinatorWaitsTest, ItIsSaidWhenAWaitEndsAndHowToEndItSooner) {
  coordinator.listens_at("hosta:7070");
  advance(1s);
  auto waits = of_kind<WaitsFor>(coordinator.take_events());
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].until, t - 1s + 60s) << "without servers it is given up";
  EXPECT_EQ(waits[0].advice, "start it with: sluice server --driver hosta:7070");
  start();
  const int64_t a = join(wire::Role::kWorker, 10);
  waits = of_kind<WaitsFor>(coordinator.take_events());
  EXPECT_EQ(waits[waits.size() - 2].advice, "start it with: sluice worker --driver hosta:7070");
  const auto lease = train(a);
  beat(a, lease);
  coordinator.take_events();
  advance(3s);
  waits = of_kind<WaitsFor>(coordinator.take_events());
  ASSERT_FALSE(waits.empty());
  EXPECT_EQ(waits.back().since, t);
  EXPECT_EQ(waits.back().seen, t - 3s);
  EXPECT_EQ(waits.back().where, "pid 1 on hosta") << "the server comes first";
  EXPECT_EQ(waits.back().until, t - 3s + 30s);
}

TEST_F(CoordinatorWaitsTest, OfSeveralItIsSaidHowManyThereShouldBe) {
  auto many = options();
  many.workers = 3;
  many.servers = 2;
  Coordinator job(many, t);
  (void)job.join(join_request(wire::Role::kServer, 1), t);
  job.tick(t);
  auto waits = of_kind<WaitsFor>(job.take_events());
  EXPECT_EQ(waits.back().whom, "1 of 2 parameter server(s) and 3 of 3 worker(s) to join");
  (void)job.join(join_request(wire::Role::kServer, 2), t);
  job.start_training(wire::ShardMap::even(100, 2, 2), t);
  const auto a = job.join(join_request(wire::Role::kWorker, 10), t);
  (void)job.acquire({options().job, a->member}, t);
  auto beat = heartbeat_of(a->member);
  beat.partition = 0;
  beat.incarnation = 1;
  beat.waiting_for = "server 0 at hosta:7001";
  (void)job.heartbeat(beat, t);
  waits = of_kind<WaitsFor>(job.take_events());
  EXPECT_EQ(waits.back().whom, "worker 0 of 3, which waits for server 0 at hosta:7001");
}

TEST_F(CoordinatorWaitsTest, NotTheVictimsAreNamedButWhomTheyWaitFor) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10), b = join(wire::Role::kWorker, 11);
  auto victim = heartbeat_of(a, train(a));
  const auto lease = train(b);
  beat(b, lease);
  coordinator.take_events();
  victim.waiting_for = "worker 1, which is behind";
  beat(victim);
  EXPECT_THAT(waits(), ElementsAre("worker 1, which is behind"));
  advance(3s, {victim, heartbeat_of(server)});
  EXPECT_THAT(waits(), ElementsAre("worker 1, which has not been heard of for some seconds"));
}

// One is missing while another still trains: the time that a job waits has not begun.
TEST_F(CoordinatorWaitsTest, AWaitThatIsNotLimitedYetHasNoEnd) {
  auto two = options();
  two.min_workers = 2;
  Coordinator job(two, t);
  (void)job.join(join_request(wire::Role::kServer, 1), t);
  job.start_training(wire::ShardMap::even(100, 1, 1), t);
  const auto a = job.join(join_request(wire::Role::kWorker, 10), t);
  const auto b = job.join(join_request(wire::Role::kWorker, 11), t);
  (void)job.acquire({options().job, a->member}, t);
  (void)job.leave({options().job, b->member, ok_status()}, t);
  const auto waits = of_kind<WaitsFor>(job.take_events());
  ASSERT_FALSE(waits.empty());
  EXPECT_EQ(waits.back().whom, "1 of 2 worker(s) to join");
  EXPECT_EQ(waits.back().until, std::nullopt);
}

TEST_F(CoordinatorWaitsTest, ASilentMemberIsNamedBeforeItIsGivenUp) {
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

TEST_F(CoordinatorWaitsTest, AStuckWorkerIsNamedAndThenGivenUp) {
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

TEST_F(CoordinatorWaitsTest, WhoeverGetsSomethingDoneIsNotStuck) {
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

TEST_F(CoordinatorWaitsTest, WhoeverWaitsForAServerIsNotStuck) {
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
TEST_F(CoordinatorWaitsTest, AServerThatHasNoRoomIsNamedInsteadOfThoseThatWaitForIt) {
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

TEST_F(CoordinatorWaitsTest, WhoeverWaitsForAServerThatIsSilentIsNotNamedBesideIt) {
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

// Worker 0 comes first, but it is worker 1 that all of it hangs on.
TEST_F(CoordinatorWaitsTest, WhoeverIsGivenUpIsWhereTheDeadlineComesFrom) {
  start();
  const int64_t a = join(wire::Role::kWorker, 10), b = join(wire::Role::kWorker, 11);
  auto waiting = heartbeat_of(a, train(a));
  waiting.waiting_for = "the answer of server 0, held until worker 1 has pushed";
  beat(b, train(b));
  const core::TimePoint heard = t;
  coordinator.take_events();
  advance(4s, {waiting});
  const auto waits = of_kind<WaitsFor>(coordinator.take_events());
  ASSERT_FALSE(waits.empty());
  EXPECT_THAT(waits.back().whom, testing::StartsWith("worker 0, which waits for the answer"));
  EXPECT_THAT(waits.back().whom, HasSubstr("worker 1, which has not been heard of"));
  EXPECT_EQ(waits.back().where, "pid 11 on hosta");
  EXPECT_EQ(waits.back().seen, heard);
  EXPECT_EQ(waits.back().until, heard + options().lease_timeout);
}

TEST_F(CoordinatorWaitsTest, WhoeverHasNothingToDoIsNotStuck) {
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
TEST_F(CoordinatorWaitsTest, WhoeverDoesNotAskForTheWorkThatThereIsIsNamedAndGivenUp) {
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
TEST_F(CoordinatorWaitsTest, AWorkerThatOnlyJoinsDoesNotKeepTheJobWaitingForEver) {
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

}  // namespace
}  // namespace sluice::driver
