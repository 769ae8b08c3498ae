#include "driver/job_event.h"

#include <gtest/gtest.h>

namespace sluice::driver {
namespace {

const MemberName kWorker{wire::Role::kWorker, 2, {"hosta", "machine", 4711, 1}};
const MemberName kServer{wire::Role::kServer, 0, {"hostb", "machine", 17, 1}};

std::string text_of(decltype(JobEvent::what) what) { return to_text({{}, std::move(what)}); }

TEST(JobEventTest, MembersAreCalledByRoleNumberAndProcess) {
  EXPECT_EQ(kWorker.to_string(), "worker 2 (pid 4711 on hosta)");
  EXPECT_EQ(kServer.to_string(), "server 0 (pid 17 on hostb)");
}

TEST(JobEventTest, WhoJoined) {
  EXPECT_EQ(text_of(MemberJoined{kWorker, ""}), "worker 2 (pid 4711 on hosta) joined");
  EXPECT_EQ(text_of(MemberJoined{kServer, "hostb:7000"}),
            "server 0 (pid 17 on hostb) joined, listening at hostb:7000");
}

TEST(JobEventTest, WhoWasRefusedAndWhy) {
  EXPECT_EQ(text_of(JoinRefused{wire::Role::kServer, kServer.process,
                                Status(StatusCode::kFailedPrecondition, "there are enough")}),
            "a server (pid 17 on hostb) was refused: there are enough");
}

TEST(JobEventTest, WhatBecameOfAMemberAndOfItsLease) {
  using How = MemberEnded::How;
  EXPECT_EQ(text_of(MemberEnded{kWorker, How::kLeft, "left", -1}),
            "worker 2 (pid 4711 on hosta) left");
  EXPECT_EQ(text_of(MemberEnded{kWorker, How::kDied, "was killed by signal 9 (Killed)", 3}),
            "worker 2 (pid 4711 on hosta) was killed by signal 9 (Killed): partition 3 goes back "
            "to the queue");
}

TEST(JobEventTest, WhatIsTrained) {
  EXPECT_EQ(text_of(TrainingStarted{}), "training begins");
  EXPECT_EQ(text_of(LeaseGranted{
                kWorker, {.partition = 3, .incarnation = 2, .next_sequence = 8, .last = 20}}),
            "worker 2 (pid 4711 on hosta) trains pushes 8 to 20 of partition 3");
  EXPECT_EQ(text_of(LeaseFinished{kWorker, 3, 20}),
            "worker 2 (pid 4711 on hosta) has trained partition 3 up to push 20");
  MemberName taker = kWorker;
  taker.index = 0;
  EXPECT_EQ(text_of(LeaseCut{kWorker, taker, 3, 15, 20}),
            "pushes 15 to 20 of partition 3 go from worker 2 (pid 4711 on hosta) to worker 0 (pid "
            "4711 on hosta), which has nothing to do");
}

TEST(JobEventTest, WhoIsSlow) {
  EXPECT_EQ(text_of(Straggler{kWorker, 1, 9.96, 57}),
            "worker 2 (pid 4711 on hosta) is 10.0 times slower than the others: in epoch 2 they "
            "made 57 of its pushes");
  EXPECT_EQ(text_of(Straggler{kWorker, 1, 2.5, 0}),
            "worker 2 (pid 4711 on hosta) is 2.5 times slower than the others");
  EXPECT_EQ(text_of(WorkersWanted{5}), "from now on 5 worker(s) are wanted");
  EXPECT_EQ(text_of(GainChanged{30, 6, 1.0 / 6}),
            "gain: 30 workers would move the servers 6.0 times as far at once as one worker's "
            "step; pushes are scaled by 0.167");
  EXPECT_EQ(text_of(GainChanged{1, 1, 1}),
            "gain: 1 worker moves the servers 1.0 times as far at once as one worker's step; "
            "pushes are not scaled");
}

TEST(JobEventTest, WhomTheJobWaitsFor) {
  EXPECT_EQ(text_of(WaitsFor{"a worker to join"}), "waiting for a worker to join");
  EXPECT_EQ(text_of(WaitsFor{}), "") << "it goes on";
}

TEST(JobEventTest, ForHowLongItWaitsAndWhatIsKnownOfWhom) {
  using std::chrono::seconds;
  const core::TimePoint now{std::chrono::hours(1)};
  WaitsFor waits{"worker 2 of 3, which has not been heard of for some seconds"};
  waits.since = now - seconds(10);
  waits.seen = now - seconds(12);
  waits.where = "pid 4711 on hosta";
  waits.until = now + seconds(18);
  EXPECT_EQ(to_text(waits, now),
            "waiting 10 s for worker 2 of 3, which has not been heard of for some seconds (last "
            "seen 12 s ago: pid 4711 on hosta; given up in 18 s)");
  waits = {"a worker to join"};
  waits.since = now;
  waits.advice = "start it with: sluice worker --driver hosta:7070";
  EXPECT_EQ(to_text(waits, now),
            "waiting for a worker to join; start it with: sluice worker --driver hosta:7070");
}

TEST(JobEventTest, HowItEnds) {
  EXPECT_EQ(text_of(JobEnding{ok_status()}), "everything is trained");
  EXPECT_EQ(text_of(JobEnding{cancelled("stopped by SIGINT")}), "the job ends: stopped by SIGINT");
}

TEST(JobEventTest, WhatComesOftenHasNoWords) {
  EXPECT_EQ(text_of(Progress{}), "");
  EXPECT_EQ(text_of(EpochEnded{{.epoch = 0, .samples = 12}}), "");
}

}  // namespace
}  // namespace sluice::driver
