// Who gets which pushes, by speed.
#include <gmock/gmock.h>

#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Granted = wire::AcquireReply::Kind;
using How = MemberEnded::How;
using Interval = std::tuple<int64_t, int64_t, int64_t>;  // partition, first and last push

// Three partitions of three epochs of 100 pushes of five steps each.
class CoordinatorSharesTest : public CoordinatorFixture {
 protected:
  explicit CoordinatorSharesTest(CoordinatorOptions with = options())
      : CoordinatorFixture(with_plan(std::move(with))) {}

  static constexpr int64_t kSteps = 5;

  static CoordinatorOptions with_plan(CoordinatorOptions options) {
    options.plan = std::make_shared<PushPlan>(std::vector<int64_t>(3, 300),
                                              std::vector<int64_t>(3, 100 * kSteps), 3,
                                              [](int64_t push, int64_t) { return push * kSteps; });
    return options;
  }
  void SetUp() override {
    start();
    for (int64_t pid = 10; pid < 13; ++pid) workers.push_back(join(wire::Role::kWorker, pid));
  }

  // The lease that the worker gets now.
  Interval take(size_t worker) {
    leases.resize(std::max(leases.size(), worker + 1));
    leases[worker] = train(workers[worker]);
    const wire::Lease& lease = leases[worker];
    return {lease.partition, lease.next_sequence, lease.last};
  }
  // It has trained so many pushes of its lease. Returns the push that the lease ends with.
  int64_t trains(size_t worker, int64_t pushes) {
    auto request = heartbeat_of(workers[worker], leases[worker]);
    request.last = leases[worker].last;
    request.activity = request.step = (leases[worker].next_sequence - 1 + pushes) * kSteps;
    const auto reply = beat(request);
    EXPECT_EQ(reply.kind, wire::HeartbeatReply::Kind::kContinue);
    if (reply.last > 0) leases[worker].last = reply.last;
    return leases[worker].last;
  }
  void finishes(size_t worker) { EXPECT_TRUE(finish(workers[worker], leases[worker]).ok()); }
  // All have trained one epoch in ten seconds, but worker 2 the tenth of it.
  void one_epoch() {
    for (size_t worker = 0; worker < 3; ++worker) take(worker);
    for (int second = 1; second < 10; ++second) {
      advance(1s);
      trains(0, 10 * second);
      trains(1, 10 * second);
      trains(2, second);
      beat(heartbeat_of(server));
    }
    advance(1s);
    trains(2, 10);
    finishes(0);
    finishes(1);
    coordinator.take_events();
  }

  std::vector<int64_t> workers;
  std::vector<wire::Lease> leases;
};

TEST_F(CoordinatorSharesTest, WhileNoSpeedIsKnownALeaseIsOneEpochOfAPartition) {
  EXPECT_EQ(take(0), Interval(0, 1, 100));
  EXPECT_EQ(take(1), Interval(1, 1, 100));
  EXPECT_EQ(take(2), Interval(2, 1, 100));
}

TEST_F(CoordinatorSharesTest, AWorkerGoesOnWithThePartitionThatItHas) {
  for (size_t worker = 0; worker < 3; ++worker) take(worker);
  for (int second = 1; second <= 10; ++second) {
    advance(1s);
    for (size_t worker = 0; worker < 3; ++worker) trains(worker, 10 * second);
    beat(heartbeat_of(server));
  }
  for (const size_t worker : {1, 2, 0}) finishes(worker);
  EXPECT_EQ(take(2), Interval(2, 101, 200));
  EXPECT_EQ(take(0), Interval(0, 101, 200));
  EXPECT_EQ(take(1), Interval(1, 101, 200));
  EXPECT_THAT(of_kind<Straggler>(coordinator.take_events()), IsEmpty());
}

// 90 pushes of a second each are left of the slow one's: two fast ones take all that is worth it.
TEST_F(CoordinatorSharesTest, TheRestOfASlowLeaseGoesToWhoHasNothingToDo) {
  one_epoch();
  EXPECT_EQ(take(0), Interval(2, 20, 100)) << "it keeps what it trains meanwhile";
  EXPECT_EQ(trains(2, 10), 19) << "and is told";
  EXPECT_EQ(coordinator.take_news(), std::set<int64_t>{workers[2]});
  const auto cuts = of_kind<LeaseCut>(coordinator.take_events());
  ASSERT_EQ(cuts.size(), 1u);
  EXPECT_EQ(cuts[0].holder.index, 2);
  EXPECT_EQ(cuts[0].taker.index, 0);
  EXPECT_EQ(take(1), Interval(2, 12, 19)) << "which would still end last";
  advance(800ms);
  finishes(1);
  const auto [partition, first, last] = take(1);
  EXPECT_EQ(partition, 2) << "half of what the other took";
  EXPECT_EQ(last, 100);
  EXPECT_NEAR(static_cast<double>(first), 64, 4);
  EXPECT_EQ(trains(0, 8), first - 1);
}

TEST_F(CoordinatorSharesTest, ASlowWorkerGetsASmallerLeaseFromTheSecondEpochOn) {
  one_epoch();
  for (const size_t worker : {0, 1}) take(worker);
  for (int second = 1; second <= 4; ++second) {
    advance(1s);
    trains(0, 10 * second);
    trains(1, 10 * second);
    trains(2, 10 + second);
    beat(heartbeat_of(server));
  }
  for (const size_t worker : {0, 1, 2}) finishes(worker);
  EXPECT_EQ(coordinator.leases().epoch(), 1);
  const auto [own, first, last] = take(2);
  EXPECT_EQ(own, 2);
  EXPECT_EQ(first, 101);
  EXPECT_NEAR(static_cast<double>(last - first + 1), 300.0 / 21, 3);
  EXPECT_EQ(take(0), Interval(2, last + 1, 200)) << "the partition that it had last";
}

TEST_F(CoordinatorSharesTest, TheStragglerIsNamedOnceAnEpoch) {
  one_epoch();
  for (const size_t worker : {0, 1}) take(worker);
  trains(2, 10);
  advance(5s);
  finishes(0);
  finishes(1);
  EXPECT_THAT(of_kind<Straggler>(coordinator.take_events()), IsEmpty()) << "before its end";
  finishes(2);
  const auto named = of_kind<Straggler>(coordinator.take_events());
  ASSERT_EQ(named.size(), 1u);
  EXPECT_EQ(named[0].who.index, 2);
  EXPECT_EQ(named[0].epoch, 0);
  EXPECT_GT(named[0].times_slower, 5);
  EXPECT_EQ(named[0].given, 89);
  EXPECT_EQ(coordinator.members().at(workers[2]).given, 89);
}

// Nine tenths of each second answers to it were held, for somebody else.
TEST_F(CoordinatorSharesTest, WhoWasKeptFromTrainingIsNoStraggler) {
  for (size_t worker = 0; worker < 3; ++worker) take(worker);
  for (int second = 1; second <= 10; ++second) {
    advance(1s);
    coordinator.answers_held({{.worker = 2, .clock = 1, .held_s = 0.9}}, t);
    for (const size_t worker : {0, 1}) trains(worker, 10 * second);
    trains(2, second);
    beat(heartbeat_of(server));
  }
  for (const size_t worker : {0, 1, 2}) finishes(worker);
  EXPECT_EQ(coordinator.leases().epoch(), 1);
  EXPECT_THAT(of_kind<Straggler>(coordinator.take_events()), IsEmpty());
}

TEST_F(CoordinatorSharesTest, APauseSaysNothingOfAWorkersSpeed) {
  for (size_t worker = 0; worker < 3; ++worker) take(worker);
  for (int second = 1; second <= 5; ++second) {
    advance(1s);
    for (size_t worker = 0; worker < 3; ++worker) trains(worker, 10 * second);
    beat(heartbeat_of(server));
  }
  coordinator.set_knobs({.revision = 1, .paused = true}, t);
  for (int second = 0; second < 20; ++second) {
    advance(1s);
    for (size_t worker = 0; worker < 3; ++worker) trains(worker, 50);
    beat(heartbeat_of(server));
  }
  coordinator.set_knobs({.revision = 2}, t);
  advance(2500ms);  // nothing was heard of them yet
  EXPECT_GT(coordinator.members().at(workers[0]).pace.steps_per_second(t), 0.3);
  trains(0, 75);
  EXPECT_NEAR(coordinator.members().at(workers[0]).pace.steps_per_second(t), 50, 3);
}

// A job must not pay for a lease an epoch when epochs are over at once.
TEST_F(CoordinatorSharesTest, ShortEpochsAreLeasedTogether) {
  for (size_t worker = 0; worker < 3; ++worker) take(worker);
  advance(100ms);
  for (size_t worker = 0; worker < 3; ++worker) finishes(worker);
  EXPECT_EQ(take(0), Interval(0, 101, 300));
}

TEST_F(CoordinatorSharesTest, WhoeverJoinsGetsWorkAtOnce) {
  one_epoch();
  for (const size_t worker : {0, 1}) take(worker);
  workers.push_back(join(wire::Role::kWorker, 13));
  const auto [partition, first, last] = take(3);
  EXPECT_EQ(partition, 2) << "nothing of this epoch is free: a part of what others have";
  EXPECT_GT(first, 18);
  EXPECT_LE(last, 100);
}

TEST_F(CoordinatorSharesTest, AFrozenWorkersRestIsTakenBeforeItIsGivenUp) {
  for (size_t worker = 0; worker < 3; ++worker) take(worker);
  for (int second = 1; second <= 9; ++second) {
    advance(1s);
    trains(0, 10 * second);
    trains(1, 10 * second);
    if (second < 4) trains(2, 10 * second);
    beat(heartbeat_of(server));
  }
  advance(1s);
  finishes(0);
  const auto [partition, first, last] = take(0);
  EXPECT_EQ(partition, 2);
  EXPECT_NEAR(static_cast<double>(first), 32, 1) << "all but what it may be at";
  EXPECT_EQ(last, 100);
}

TEST_F(CoordinatorSharesTest, WhatWouldSaveNothingIsLeftAlone) {
  for (size_t worker = 0; worker < 3; ++worker) take(worker);
  for (int second = 1; second <= 10; ++second) {
    advance(1s);
    for (size_t worker = 0; worker < 3; ++worker) trains(worker, 10 * second - (second == 10));
    beat(heartbeat_of(server));
  }
  finishes(0);
  EXPECT_EQ(take(0), Interval(0, 101, 200)) << "the others are nearly done";
}

// --- What is given back ---

TEST_F(CoordinatorSharesTest, WhoeverMakesRoomGivesItsRestBackAtOnce) {
  take(0);
  take(1);
  advance(1s);
  trains(0, 10);
  EXPECT_TRUE(
      coordinator.leave({options().job, workers[0], cancelled("stopped by SIGTERM"), true}, t)
          .ok());
  const auto ended = of_kind<MemberEnded>(coordinator.take_events());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].how, How::kDrained);
  EXPECT_EQ(ended[0].partition, 0);
  const auto reply = acquire(workers[2]);
  EXPECT_EQ(reply.lease.partition, 0);
  EXPECT_EQ(reply.lease.next_sequence, 1) << "the servers say where to go on";
  EXPECT_EQ(reply.lease.last, 100);
}

TEST_F(CoordinatorSharesTest, ALeaseOfWhatHadBeenTrainedIsOverWhenItIsGranted) {
  const auto asked = acquire(workers[0]);
  wire::Lease lease = asked.lease;
  lease.next_sequence = lease.last + 1;
  EXPECT_FALSE(coordinator.granted(lease, t));
  EXPECT_TRUE(coordinator.wants_lease(workers[0]));
  EXPECT_EQ(coordinator.leases().left(0), 200);
  EXPECT_TRUE(finish(workers[0], lease).ok()) << "also for whoever says so late";
}

// --- How many workers ---

TEST_F(CoordinatorSharesTest, NobodyTrainsWithTooFewWorkers) {
  CoordinatorOptions few = with_plan(options());
  few.min_workers = 2;
  Coordinator job(few, t);
  ASSERT_TRUE(job.join(join_request(wire::Role::kServer, 1), t).ok());
  job.start_training(wire::ShardMap::even(100, 1, 1), t);
  const int64_t first = job.join(join_request(wire::Role::kWorker, 20), t)->member;
  const auto reply = job.acquire({few.job, first}, t);
  EXPECT_EQ(reply->kind, Granted::kWait);
  EXPECT_EQ(reply->reason, "1 of 2 worker(s) to join");
  EXPECT_FALSE(job.has_work());
  EXPECT_EQ(of_kind<WaitsFor>(job.take_events()).back().whom, "1 of 2 worker(s) to join");
  const int64_t second = job.join(join_request(wire::Role::kWorker, 21), t)->member;
  EXPECT_EQ(of_kind<WaitsFor>(job.take_events()).back().whom, "");
  EXPECT_EQ(job.acquire({few.job, first}, t)->kind, Granted::kGranted);
  EXPECT_TRUE(job.leave({few.job, second, unavailable("broken")}, t).ok());
  EXPECT_EQ(of_kind<WaitsFor>(job.take_events()).back().whom, "1 of 2 worker(s) to join");
  EXPECT_EQ(job.phase(), Phase::kTraining);
}

TEST_F(CoordinatorSharesTest, WaitingForMoreWorkersHasAnEnd) {
  CoordinatorOptions few = with_plan(options());
  few.min_workers = 2;
  Coordinator job(few, t);
  const int64_t server_member = job.join(join_request(wire::Role::kServer, 1), t)->member;
  job.start_training(wire::ShardMap::even(100, 1, 1), t);
  const int64_t alone = job.join(join_request(wire::Role::kWorker, 20), t)->member;
  for (int second = 0; second < 61 && !job.over(); ++second) {
    t += 1s;
    job.tick(t);
    (void)job.heartbeat(heartbeat_of(server_member), t);
    (void)job.acquire({few.job, alone}, t);
  }
  EXPECT_EQ(job.phase(), Phase::kAborted);
  EXPECT_EQ(job.abort_reason(), "waited 60 s for 1 of 2 worker(s) to join");
}

TEST_F(CoordinatorSharesTest, MoreWorkersThanAllowedAreRefused) {
  CoordinatorOptions most = with_plan(options());
  most.max_workers = 1;
  Coordinator job(most, t);
  auto request = join_request(wire::Role::kWorker, 20);
  const int64_t first = job.join(request, t)->member;
  const Status refused = job.join(join_request(wire::Role::kWorker, 21), t).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.message(),
            "this job has its 1 worker(s) already: start the driver with a larger --max-workers "
            "to use another");
  EXPECT_EQ(of_kind<JoinRefused>(job.take_events()).size(), 1u);
  EXPECT_TRUE(job.leave({most.job, first, ok_status()}, t).ok());
  EXPECT_TRUE(job.join(join_request(wire::Role::kWorker, 21), t).ok());
}

TEST_F(CoordinatorSharesTest, ScalingIsAnEventWithinBounds) {
  CoordinatorOptions bounded = with_plan(options());
  bounded.min_workers = 2;
  bounded.max_workers = 5;
  Coordinator job(bounded, t);
  EXPECT_TRUE(job.scale(5, t).ok());
  const auto wanted = of_kind<WorkersWanted>(job.take_events());
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_EQ(wanted[0].workers, 5);
  EXPECT_EQ(job.scale(6, t),
            invalid_argument("expected at most 5 worker(s), by --max-workers, got 6"));
  EXPECT_EQ(job.scale(1, t),
            invalid_argument("expected at least 2 worker(s), by --min-workers, got 1"));
  EXPECT_EQ(coordinator.scale(0, t).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(coordinator.scale(int64_t{1} << 40, t).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(job.workers_wanted(), 5);
  bounded.max_workers = 0;
  bounded.min_workers = 1;
  bounded.most_workers = 1;
  EXPECT_EQ(Coordinator(bounded, t).scale(2, t),
            invalid_argument("expected at most 1 worker(s), by the trainer, got 2"));
  job.abort("over", t);
  EXPECT_EQ(job.scale(3, t).code(), StatusCode::kFailedPrecondition);
}

// Where each partition has parameters of its own.
class UndividedLeasesTest : public CoordinatorSharesTest {
 protected:
  static CoordinatorOptions undivided(CoordinatorOptions options) {
    options.divides = false;
    return options;
  }
  UndividedLeasesTest() : CoordinatorSharesTest(undivided(options())) {}
};

TEST_F(UndividedLeasesTest, ALeaseIsAllThatIsLeftOfAPartition) {
  EXPECT_EQ(take(0), Interval(0, 1, 300));
  EXPECT_EQ(take(1), Interval(1, 1, 300));
  EXPECT_EQ(take(2), Interval(2, 1, 300));
  for (int second = 1; second <= 30; ++second) {
    advance(1s);
    trains(0, 10 * second);
    trains(1, 10 * second);
    trains(2, second);
    beat(heartbeat_of(server));
  }
  finishes(0);
  EXPECT_NE(acquire(workers[0]).kind, Granted::kGranted) << "nothing is taken from the slow one";
  EXPECT_EQ(trains(2, 31), 300);
}

}  // namespace
}  // namespace sluice::driver
