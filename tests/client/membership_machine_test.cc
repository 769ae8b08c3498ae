#include "client/membership_machine.h"

#include <gmock/gmock.h>

namespace sluice::client {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Actions = MembershipMachine::Actions;
using Kind = wire::HeartbeatReply::Kind;

class MembershipMachineTest : public testing::Test {
 protected:
  // A member whose first heartbeat is under way.
  void join() {
    (void)machine_.start(now_);
    (void)machine_.join_answered(joined_, now_);
  }
  Actions beat(const Result<wire::HeartbeatReply>& reply, bool held = false, bool cut = false) {
    return machine_.heartbeat_answered(reply, {held, cut}, now_);
  }
  static wire::HeartbeatReply of_kind(Kind kind, const std::string& reason = "") {
    return {kind, reason};
  }
  Actions wait(core::Duration time) {
    now_ += time;
    return machine_.time(now_);
  }

  MembershipMachine machine_{"host:1", 60s, 1};
  const MembershipMachine::Joined joined_{7, {1s, 30s}};
  const core::TimePoint start_{1h};
  core::TimePoint now_ = start_;
};

TEST_F(MembershipMachineTest, ALeaseThatIsCutIsToldAndTheNextNewsAreWaitedForAtOnce) {
  join();
  const Actions actions = beat({{Kind::kContinue, "", 7}}, true, true);
  EXPECT_EQ(actions.lease_cut, 7);
  EXPECT_TRUE(actions.heartbeat.has_value());
  EXPECT_EQ(beat(wire::HeartbeatReply{}, true).lease_cut, 0);
}

// It is the answer to a heartbeat of the lease before, which has no news of this one.
TEST_F(MembershipMachineTest, WhoHoldsAnotherLeaseThanItAskedAboutAsksAtOnce) {
  join();
  EXPECT_FALSE(beat(wire::HeartbeatReply{}, true).heartbeat.has_value());
  now_ += 1s;
  (void)machine_.time(now_);
  const Actions actions =
      machine_.heartbeat_answered(wire::HeartbeatReply{}, {.other = true}, now_);
  EXPECT_TRUE(actions.heartbeat.has_value());
}

// --- Joining ---

TEST_F(MembershipMachineTest, JoinsAndSendsTheFirstHeartbeatAtOnce) {
  EXPECT_EQ(machine_.start(now_).join, 2s) << "so that it can say that it waits";
  const Actions actions = machine_.join_answered(joined_, now_);
  EXPECT_TRUE(actions.heartbeat.has_value());
  EXPECT_EQ(actions.end, std::nullopt);
}

TEST_F(MembershipMachineTest, ADriverThatIsNotThereYetIsAskedAgain) {
  (void)machine_.start(now_);
  const Actions actions = machine_.join_answered(unavailable("refused"), now_);
  EXPECT_EQ(actions.say, "waiting for the driver at host:1: refused; given up in 60 s");
  ASSERT_TRUE(actions.wake.has_value());
  EXPECT_LE(*actions.wake, now_ + 50ms);
  now_ = *actions.wake;
  EXPECT_TRUE(machine_.time(now_).join.has_value());
  EXPECT_EQ(machine_.time(now_).join, std::nullopt) << "one call at a time";
  EXPECT_EQ(machine_.join_answered(unavailable("refused"), now_).say, "") << "not every time";
}

TEST_F(MembershipMachineTest, AJoinThatIsSoonGivenUpSaysWhyOnce) {
  MembershipMachine machine("host:1", 1s, 1);
  (void)machine.start(now_);
  EXPECT_EQ(machine.join_answered(unavailable("refused"), now_).say, "");
  EXPECT_TRUE(machine.time(now_ + 1s).join.has_value());
  EXPECT_EQ(*machine.join_answered(unavailable("refused"), now_ + 1s).end,
            unavailable("the driver at host:1 has not answered for 1 s: refused"));
}

TEST_F(MembershipMachineTest, ADriverThatStaysAwayIsGivenUpAfterTheJoinTimeout) {
  Actions actions = machine_.start(now_);
  while (!actions.end) {
    actions = machine_.join_answered(unavailable("refused"), now_);
    if (!actions.wake) continue;
    now_ = *actions.wake;
    ASSERT_TRUE(machine_.time(now_).join.has_value());
  }
  EXPECT_EQ(now_, start_ + 60s);
  EXPECT_EQ(*actions.end, unavailable("the driver at host:1 has not answered for 60 s: refused"));
  EXPECT_EQ(actions.ending, Ending::kNoDriver);
}

TEST_F(MembershipMachineTest, ADriverThatRefusesEndsItWithItsReason) {
  (void)machine_.start(now_);
  const Actions actions = machine_.join_answered(failed_precondition("another version"), now_);
  EXPECT_EQ(actions.end, failed_precondition("another version"));
}

TEST_F(MembershipMachineTest, WhoLeavesBeforeItHasJoinedHasNobodyToTell) {
  (void)machine_.start(now_);
  const Actions actions = machine_.leave(cancelled("stopped"));
  EXPECT_EQ(actions.leave, std::nullopt);
  EXPECT_EQ(actions.end, cancelled("stopped"));
  EXPECT_FALSE(machine_.join_answered(joined_, now_).heartbeat.has_value());
}

// --- Heartbeats ---

// A lease may be as short as five intervals.
TEST_F(MembershipMachineTest, ACallThatHangsLeavesTimeForAnotherWithinTheLease) {
  (void)machine_.start(now_);
  const Actions actions = machine_.join_answered(joined_, now_);
  EXPECT_GT(*actions.heartbeat, 1s) << "the driver may keep the answer back for an interval";
  EXPECT_LE(2 * *actions.heartbeat, 5s);
}

TEST_F(MembershipMachineTest, TheNextHeartbeatFollowsTheAnswerButNoSoonerThanAnInterval) {
  join();
  const Actions quick = beat(wire::HeartbeatReply{});
  EXPECT_EQ(quick.heartbeat, std::nullopt);
  EXPECT_EQ(quick.wake, now_ + 1s);
  EXPECT_EQ(wait(999ms).heartbeat, std::nullopt);
  EXPECT_TRUE(wait(1ms).heartbeat.has_value());
  EXPECT_EQ(wait(0ms).heartbeat, std::nullopt) << "one at a time";
  now_ += 1s;
  EXPECT_TRUE(beat(wire::HeartbeatReply{}).heartbeat.has_value()) << "it was kept back";
}

TEST_F(MembershipMachineTest, WhatPeopleChangeIsTakenOverAndTheNextChangeIsNotLate) {
  join();
  wire::HeartbeatReply reply;
  reply.knobs = wire::Knobs{.revision = 3, .paused = true};
  const Actions actions = beat(reply);
  EXPECT_EQ(actions.knobs, reply.knobs);
  EXPECT_TRUE(actions.heartbeat.has_value()) << "at once: another change may follow";
  EXPECT_EQ(beat(wire::HeartbeatReply{}).knobs, std::nullopt);
}

TEST_F(MembershipMachineTest, AFailedHeartbeatIsRepeatedAndSaidOnce) {
  join();
  const Actions first = beat(unavailable("refused"));
  EXPECT_EQ(first.say, "waiting for the driver at host:1: refused; given up in 30 s");
  EXPECT_EQ(first.wake, now_ + 1s);
  EXPECT_TRUE(wait(1s).heartbeat.has_value());
  const Actions second = beat(unavailable("refused"));
  EXPECT_EQ(second.say, "");
  EXPECT_FALSE(second.lost);
  EXPECT_EQ(second.end, std::nullopt);
}

TEST_F(MembershipMachineTest, ASilentDriverIsGivenUpByName) {
  join();
  Actions actions;
  while (!actions.end) {
    actions = beat(unavailable("refused"));
    if (actions.wake) (void)wait(*actions.wake - now_);
  }
  EXPECT_EQ(now_ - start_, 30s);
  EXPECT_EQ(*actions.end, unavailable("the driver at host:1 has not answered for 30 s: refused"));
  EXPECT_EQ(actions.ending, Ending::kNoDriver);
}

// The driver may have been stopped with it, and wake up a little later.
TEST_F(MembershipMachineTest, TimeInWhichThisProcessWasStoppedIsNotTheDrivers) {
  join();
  now_ += 10min;
  Actions actions = beat(unavailable("connection reset"));
  EXPECT_FALSE(actions.end.has_value());
  ASSERT_TRUE(actions.heartbeat.has_value() || actions.wake.has_value());
  now_ += 10min;  // and once more, before the next is sent
  (void)machine_.time(now_);
  now_ += 2500ms;
  actions = beat(deadline_exceeded("late"));
  EXPECT_FALSE(actions.end.has_value());
  for (int i = 0; i < 20 && !actions.end; ++i) {
    now_ += 2500ms;
    actions = beat(deadline_exceeded("late"));
  }
  EXPECT_TRUE(actions.end.has_value()) << "the driver's own silence counts";
}

TEST_F(MembershipMachineTest, ALeaseIsLostOnlyIfTheAnswerIsAboutTheOneThatIsHeld) {
  join();
  EXPECT_TRUE(beat(of_kind(Kind::kLeaseLost), true).lease_lost);
  (void)wait(1s);
  const Actions of_another = beat(of_kind(Kind::kLeaseLost), false);
  EXPECT_FALSE(of_another.lease_lost);
  EXPECT_FALSE(of_another.lost);
}

TEST_F(MembershipMachineTest, ALostLeaseIsToldAlsoWhenTheNextHeartbeatGoesAtOnce) {
  join();
  now_ += 1s;
  const Actions actions = beat(of_kind(Kind::kLeaseLost), true);
  EXPECT_TRUE(actions.lease_lost);
  EXPECT_TRUE(actions.heartbeat.has_value());
}

TEST_F(MembershipMachineTest, AMemberThatIsToDrainStaysOneUntilItLeaves) {
  join();
  now_ += 1s;
  const Actions actions = beat(wire::HeartbeatReply{Kind::kDrain, "stopped by SIGTERM"});
  EXPECT_EQ(actions.drain, "stopped by SIGTERM");
  EXPECT_EQ(actions.leave, std::nullopt);
  EXPECT_TRUE(actions.heartbeat.has_value());
}

// --- Ends ---

TEST_F(MembershipMachineTest, AJobThatIsOverIsLeft) {
  join();
  EXPECT_EQ(beat(of_kind(Kind::kDone)).leave, ok_status());
  EXPECT_EQ(machine_.left().end, ok_status());
}

TEST_F(MembershipMachineTest, AnAbortedJobIsLeftWithTheDriversReason) {
  join();
  EXPECT_EQ(beat(of_kind(Kind::kAbort, "server 0 died")).leave, cancelled("server 0 died"));
  EXPECT_EQ(machine_.left().end, cancelled("server 0 died"));
}

TEST_F(MembershipMachineTest, LeavingTellsTheDriverAndEndsOnce) {
  join();
  EXPECT_EQ(machine_.leave(cancelled("stopped")).leave, cancelled("stopped"));
  EXPECT_EQ(machine_.leave(ok_status()).leave, std::nullopt);
  EXPECT_EQ(beat(of_kind(Kind::kAbort, "x")).leave, std::nullopt);
  EXPECT_EQ(wait(10s).heartbeat, std::nullopt);
  EXPECT_EQ(machine_.left().end, cancelled("stopped"));
  EXPECT_EQ(machine_.left().end, std::nullopt);
}

// --- Given up for dead ---

TEST_F(MembershipMachineTest, AMemberThatTheDriverDoesNotKnowJoinsAgain) {
  join();
  const Actions actions = beat(not_found("member 7"));
  EXPECT_TRUE(actions.lost);
  EXPECT_TRUE(actions.join.has_value());
  EXPECT_EQ(actions.say, "member 7: joining again");
  EXPECT_TRUE(machine_.join_answered(joined_, now_).heartbeat.has_value());
}

TEST_F(MembershipMachineTest, SoItDoesWhenAnotherCallSaysSo) {
  join();
  (void)beat(wire::HeartbeatReply{});  // the next is due in a second
  const Actions actions = machine_.unknown(not_found("member 7"), now_);
  EXPECT_TRUE(actions.lost);
  EXPECT_TRUE(actions.join.has_value());
  EXPECT_EQ(wait(1s).join, std::nullopt) << "it is joining already";
  EXPECT_FALSE(machine_.unknown(not_found("member 7"), now_).lost) << "old news";
}

TEST_F(MembershipMachineTest, AHeartbeatOfTheEarlierMembershipIsNoNews) {
  join();
  (void)machine_.unknown(not_found("member 7"), now_);
  EXPECT_FALSE(beat(not_found("member 7")).lost);
  EXPECT_TRUE(machine_.join_answered(joined_, now_).heartbeat.has_value());
}

// --- How it ended ---

TEST_F(MembershipMachineTest, ItsEndSaysWhoseEndItWas) {
  const auto refused = [this](const Status& answer) {
    MembershipMachine machine{"host:1", 60s, 1};
    (void)machine.start(now_);
    return machine.join_answered(answer, now_).ending;
  };
  EXPECT_EQ(refused(failed_precondition("another version")), Ending::kRefused);
  EXPECT_EQ(refused(cancelled("server 0 died")), Ending::kAborted);
  const auto left = [this](const Status& why, const Status& told = ok_status()) {
    MembershipMachine machine{"host:1", 60s, 1};
    (void)machine.start(now_);
    (void)machine.join_answered(joined_, now_);
    (void)machine.leave(why);
    return machine.left(told).ending;
  };
  EXPECT_EQ(left(ok_status()), Ending::kDone);
  EXPECT_EQ(left(ok_status(), unavailable("gone by now")), Ending::kDone);
  EXPECT_EQ(left(cancelled("stopped")), Ending::kAborted);
  EXPECT_EQ(left(invalid_argument("no such layer here")), Ending::kRefused);
  EXPECT_EQ(left(unavailable("server 0 is silent")), Ending::kFailed);
  EXPECT_EQ(left(unavailable("the driver is silent"), unavailable("silent")), Ending::kNoDriver);
  EXPECT_EQ(left(internal_error("a bug"), unavailable("silent")), Ending::kFailed);
}

}  // namespace
}  // namespace sluice::client
