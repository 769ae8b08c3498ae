#include "worker/lease_machine.h"

#include <gmock/gmock.h>

#include <functional>
#include <vector>

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using Actions = LeaseMachine::Actions;
using Kind = wire::AcquireReply::Kind;
using Step = LeaseMachine::Step;

const Status kStopped = cancelled("stopped by SIGTERM");

wire::AcquireReply reply_of(Kind kind, const std::string& reason = "") {
  wire::AcquireReply reply;
  reply.kind = kind;
  reply.reason = reason;
  reply.retry_after = 1s;
  return reply;
}

wire::AcquireReply lease_of(int64_t partition) {
  wire::AcquireReply reply = reply_of(Kind::kGranted);
  reply.lease = {partition, 2, 5, 100, 20};
  return reply;
}

class LeaseMachineTest : public testing::Test {
 protected:
  Actions acquired(const Result<wire::AcquireReply>& reply) {
    return machine_.acquired(reply, now_);
  }
  // The machine in the midst of a step.
  Actions preparing() { return machine_.joined(); }
  Actions acquiring() {
    (void)preparing();
    return machine_.prepared(ok_status());
  }
  Actions opening() {
    (void)acquiring();
    return acquired(lease_of(3));
  }
  Actions training() {
    (void)opening();
    return machine_.opened(ok_status());
  }
  Actions finishing() {
    (void)training();
    return machine_.trained(ok_status());
  }

  LeaseMachine machine_;
  core::TimePoint now_{1h};
};

TEST_F(LeaseMachineTest, TrainsLeaseAfterLeaseUntilNothingIsLeft) {
  EXPECT_EQ(machine_.joined().begin, Step::kPrepare);
  EXPECT_EQ(machine_.prepared(ok_status()).begin, Step::kAcquire);
  for (const int64_t partition : {3, 1}) {
    EXPECT_EQ(acquired(lease_of(partition)).begin, Step::kOpen);
    EXPECT_EQ(machine_.granted().lease.partition, partition);
    EXPECT_EQ(machine_.opened(ok_status()).begin, Step::kTrain);
    EXPECT_EQ(machine_.trained(ok_status()).begin, Step::kFinish);
    EXPECT_EQ(machine_.finished(ok_status()).begin, Step::kAcquire);
  }
  EXPECT_EQ(acquired(reply_of(Kind::kDone)).leave, ok_status());
}

TEST_F(LeaseMachineTest, WaitsAsLongAsTheDriverSaysAndSaysForWhomOnce) {
  (void)acquiring();
  const Actions wait = acquired(reply_of(Kind::kWait, "the others"));
  EXPECT_EQ(wait.waiting_for, "the others");
  EXPECT_EQ(wait.wake, now_ + 1s);
  EXPECT_EQ(wait.begin, Step::kNone);
  now_ += 999ms;
  EXPECT_EQ(machine_.time(now_).begin, Step::kNone);
  now_ += 1ms;
  EXPECT_EQ(machine_.time(now_).begin, Step::kAcquire);
  EXPECT_EQ(acquired(reply_of(Kind::kWait, "the others")).waiting_for, std::nullopt);
  now_ += 1s;
  (void)machine_.time(now_);
  EXPECT_EQ(acquired(lease_of(3)).waiting_for, "") << "the wait is over";
}

// --- What ends it ---

TEST_F(LeaseMachineTest, LeavesWithWhatItCannotGoOnWith) {
  const Status broken = internal_error("broken");
  const auto leave_of = [&](auto&& midst, auto&& event) {
    machine_ = {};
    (void)midst();
    return event();
  };
  for (const Actions& actions :
       {leave_of([&] { return preparing(); }, [&] { return machine_.prepared(broken); }),
        leave_of([&] { return acquiring(); }, [&] { return acquired(broken); }),
        leave_of([&] { return opening(); }, [&] { return machine_.opened(broken); }),
        leave_of([&] { return training(); }, [&] { return machine_.trained(broken); }),
        leave_of([&] { return finishing(); }, [&] { return machine_.finished(broken); })}) {
    EXPECT_EQ(actions.leave, broken);
    EXPECT_EQ(actions.begin, Step::kNone);
    EXPECT_FALSE(actions.cancel);
  }
}

TEST_F(LeaseMachineTest, AnAbortedJobIsLeftWithTheReason) {
  (void)acquiring();
  EXPECT_EQ(acquired(reply_of(Kind::kAbort, "server 0 died")).leave, cancelled("server 0 died"));
}

TEST_F(LeaseMachineTest, TheEndOfTheMembershipCancelsWhatIsUnderWay) {
  (void)training();
  EXPECT_TRUE(machine_.ended().cancel);
  const Actions late = machine_.trained(cancelled("stopped"));
  EXPECT_EQ(late.begin, Step::kNone);
  EXPECT_EQ(late.leave, std::nullopt);
}

// --- A lease that is lost ---

TEST_F(LeaseMachineTest, ALostLeaseCancelsItsTrainingAndTheNextIsAskedFor) {
  (void)training();
  const Actions lost = machine_.lease_lost();
  EXPECT_TRUE(lost.cancel);
  EXPECT_EQ(lost.begin, Step::kNone) << "the training has to end first";
  const Actions next = machine_.trained(cancelled("stopped"));
  EXPECT_EQ(next.begin, Step::kAcquire);
  EXPECT_EQ(next.say, "partition 3 was taken away: stopped");
}

TEST_F(LeaseMachineTest, SoItDoesWhileItsDataAreOpened) {
  (void)opening();
  EXPECT_TRUE(machine_.lease_lost().cancel);
  EXPECT_EQ(machine_.opened(ok_status()).begin, Step::kAcquire) << "too late";
}

TEST_F(LeaseMachineTest, BeingFencedOffIsALostLeaseToo) {
  (void)training();
  EXPECT_EQ(machine_.trained({StatusCode::kAborted, "fenced"}).begin, Step::kAcquire);
}

// Its driver is gone, another has come, and the server was faster to notice.
TEST_F(LeaseMachineTest, AServerThatHasJoinedAnotherJobIsNoFailureOfTheWorker) {
  (void)training();
  EXPECT_EQ(
      machine_.trained(failed_precondition("this server works for job 2, not for job 1")).begin,
      Step::kAcquire);
}

TEST_F(LeaseMachineTest, ALeaseThatIsTrainedWhenItIsLostIsForTheDriverToJudge) {
  (void)training();
  (void)machine_.lease_lost();
  EXPECT_EQ(machine_.trained(ok_status()).begin, Step::kFinish);
  const Actions next = machine_.finished(failed_precondition("lost"));
  EXPECT_EQ(next.begin, Step::kAcquire);
  EXPECT_EQ(next.say, "partition 3 was taken away at its end");
}

TEST_F(LeaseMachineTest, AnotherLeasesLossIsForgotten) {
  (void)training();
  (void)machine_.lease_lost();
  (void)machine_.trained(cancelled("stopped"));
  EXPECT_FALSE(machine_.lease_lost().cancel) << "none is held";
  (void)acquired(lease_of(4));
  (void)machine_.opened(ok_status());
  EXPECT_EQ(machine_.trained(internal_error("broken")).leave, internal_error("broken"));
}

// --- A membership that is lost ---

TEST_F(LeaseMachineTest, StartsOverWhenItHasJoinedAgain) {
  (void)training();
  EXPECT_TRUE(machine_.membership_lost().cancel);
  EXPECT_EQ(machine_.trained(cancelled("stopped")).begin, Step::kNone);
  EXPECT_EQ(machine_.joined().begin, Step::kPrepare);
}

TEST_F(LeaseMachineTest, AlsoWhenItHasJoinedAgainBeforeTheTrainingHasEnded) {
  (void)training();
  (void)machine_.membership_lost();
  EXPECT_EQ(machine_.joined().begin, Step::kNone);
  EXPECT_EQ(machine_.trained(ok_status()).begin, Step::kPrepare);
}

TEST_F(LeaseMachineTest, WhatWasPreparedForAnEarlierMembershipIsPreparedAnew) {
  (void)preparing();
  EXPECT_FALSE(machine_.membership_lost().cancel) << "a device cannot be stopped from opening";
  (void)machine_.joined();
  EXPECT_EQ(machine_.prepared(internal_error("of no interest")).begin, Step::kPrepare);
  EXPECT_EQ(machine_.prepared(ok_status()).begin, Step::kAcquire);
}

TEST_F(LeaseMachineTest, CallsOfAnEarlierMembershipAreDropped) {
  (void)finishing();
  EXPECT_TRUE(machine_.membership_lost().cancel);
  EXPECT_EQ(machine_.joined().begin, Step::kPrepare) << "cancelled calls are silent";
}

TEST_F(LeaseMachineTest, APauseEndsWithTheMembership) {
  (void)acquiring();
  (void)acquired(reply_of(Kind::kWait, "the others"));
  const Actions lost = machine_.membership_lost();
  EXPECT_TRUE(lost.cancel);
  EXPECT_EQ(lost.waiting_for, "");
  EXPECT_EQ(machine_.time(now_ + 1s).begin, Step::kNone);
}

TEST_F(LeaseMachineTest, ACallThatIsAnsweredNotFoundIsALostMembership) {
  const Status unknown = not_found("member 7");
  (void)acquiring();
  Actions actions = acquired(unknown);
  EXPECT_EQ(actions.unknown, unknown);
  EXPECT_EQ(actions.leave, std::nullopt);
  EXPECT_FALSE(machine_.membership_lost().cancel) << "as the membership will say too";
  EXPECT_EQ(machine_.joined().begin, Step::kPrepare);
  (void)machine_.prepared(ok_status());
  (void)acquired(lease_of(3));
  EXPECT_EQ(machine_.opened(unknown).unknown, unknown);
  (void)finishing();
  EXPECT_EQ(machine_.finished(unknown).unknown, unknown);
}

// --- A signal ---

TEST_F(LeaseMachineTest, StopLeavesAtOnceUnlessAWindowIsBeingTrained) {
  EXPECT_EQ(machine_.stop("stopped by SIGTERM", now_).leave, kStopped)
      << "the membership knows what to do before it is";
  const auto stopped_in = [&](auto&& midst) {
    machine_ = {};
    (void)midst();
    return machine_.stop("stopped by SIGTERM", now_);
  };
  EXPECT_EQ(stopped_in([&] { return preparing(); }).leave, kStopped);
  EXPECT_EQ(stopped_in([&] { return acquiring(); }).leave, kStopped);
  const Actions opening_stopped = stopped_in([&] { return opening(); });
  EXPECT_EQ(opening_stopped.leave, kStopped);
  EXPECT_TRUE(opening_stopped.cancel);
  EXPECT_EQ(machine_.opened(cancelled("stopped")).leave, std::nullopt) << "once";
}

TEST_F(LeaseMachineTest, StopLetsTheWindowBeFinishedAndPushed) {
  (void)training();
  const Actions stop = machine_.stop("stopped by SIGTERM", now_);
  EXPECT_TRUE(stop.drain);
  EXPECT_FALSE(stop.cancel);
  EXPECT_EQ(stop.leave, std::nullopt);
  EXPECT_EQ(stop.wake, now_ + 1s);
  EXPECT_FALSE(machine_.stop("stopped by SIGTERM", now_).drain) << "once";
  EXPECT_EQ(machine_.trained(cancelled("stopped")).leave, kStopped);
}

TEST_F(LeaseMachineTest, ButNoLongerThanASecond) {
  (void)training();
  (void)machine_.stop("stopped by SIGTERM", now_);
  EXPECT_EQ(machine_.time(now_ + 999ms).leave, std::nullopt);
  const Actions late = machine_.time(now_ + 1s);
  EXPECT_EQ(late.leave, kStopped);
  EXPECT_TRUE(late.cancel);
  EXPECT_EQ(machine_.trained(cancelled("stopped")).leave, std::nullopt);
}

TEST_F(LeaseMachineTest, APartitionThatIsTrainedToItsEndMeanwhileIsStillFinished) {
  (void)training();
  (void)machine_.stop("stopped by SIGTERM", now_);
  EXPECT_EQ(machine_.trained(ok_status()).begin, Step::kFinish);
  EXPECT_EQ(machine_.finished(ok_status()).leave, kStopped);
}

TEST_F(LeaseMachineTest, ADriverThatDoesNotAnswerDoesNotHoldUpTheEnd) {
  (void)finishing();
  EXPECT_EQ(machine_.stop("stopped by SIGTERM", now_).wake, now_ + 1s);
  const Actions late = machine_.time(now_ + 1s);
  EXPECT_EQ(late.leave, kStopped);
  EXPECT_TRUE(late.cancel);
}

TEST_F(LeaseMachineTest, FailuresAndLossesAfterASignalDoNotChangeTheReason) {
  (void)training();
  (void)machine_.stop("stopped by SIGTERM", now_);
  EXPECT_EQ(machine_.trained(unavailable("server gone")).leave, kStopped);
  machine_ = {};
  (void)training();
  (void)machine_.stop("stopped by SIGTERM", now_);
  EXPECT_EQ(machine_.trained({StatusCode::kAborted, "fenced"}).leave, kStopped);
  machine_ = {};
  (void)training();
  (void)machine_.stop("stopped by SIGTERM", now_);
  EXPECT_EQ(machine_.membership_lost().leave, kStopped);
}

// --- What is given to others, and handed back ---

TEST_F(LeaseMachineTest, ALeaseThatIsCutEndsEarlier) {
  EXPECT_EQ(machine_.lease_cut(9).cut, 0) << "there is none";
  (void)training();
  EXPECT_EQ(machine_.lease_cut(9).cut, 9);
  EXPECT_EQ(machine_.granted().lease.last, 9);
  EXPECT_EQ(machine_.trained(ok_status()).begin, Step::kFinish);
  EXPECT_EQ(machine_.lease_cut(7).cut, 0) << "it has been trained";
}

TEST_F(LeaseMachineTest, ALeaseIsCutWhileItsDataComes) {
  (void)opening();
  EXPECT_EQ(machine_.lease_cut(9).cut, 9);
  EXPECT_EQ(machine_.opened(ok_status()).begin, Step::kTrain);
}

TEST_F(LeaseMachineTest, WhoeverMakesRoomEndsItsWindowAndSaysSo) {
  (void)training();
  const Actions actions = machine_.drain("stopped by SIGTERM", now_);
  EXPECT_TRUE(actions.drain);
  EXPECT_EQ(actions.wake, now_ + LeaseMachine::kHandBackTime);
  const Actions left = machine_.trained(cancelled("stopped"));
  EXPECT_EQ(left.leave, kStopped);
  EXPECT_TRUE(left.drained);
}

TEST_F(LeaseMachineTest, WhoeverMakesRoomWithoutALeaseLeavesAtOnce) {
  const std::vector<std::function<void()>> midsts = {
      [&] { (void)preparing(); }, [&] { (void)acquiring(); }, [&] { (void)opening(); }};
  for (const auto& midst : midsts) {
    machine_ = {};
    midst();
    const Actions actions = machine_.drain("stopped by SIGTERM", now_);
    EXPECT_EQ(actions.leave, kStopped);
    EXPECT_TRUE(actions.drained);
  }
}

TEST_F(LeaseMachineTest, AWindowThatTakesTooLongIsHandedBackAsItIs) {
  (void)training();
  (void)machine_.drain("stopped by SIGTERM", now_);
  now_ += LeaseMachine::kHandBackTime;
  const Actions left = machine_.time(now_);
  EXPECT_EQ(left.leave, kStopped);
  EXPECT_TRUE(left.cancel);
}

TEST_F(LeaseMachineTest, AJobThatIsStoppedWaitsLessLongForOneThatMakesRoom) {
  (void)training();
  (void)machine_.drain("stopped by SIGTERM", now_);
  const Actions hurry = machine_.stop("the driver was stopped", now_);
  EXPECT_EQ(hurry.wake, now_ + LeaseMachine::kDrainTime);
  const Actions left = machine_.trained(cancelled("stopped"));
  EXPECT_EQ(left.leave, kStopped);
  EXPECT_FALSE(left.drained);
}

TEST_F(LeaseMachineTest, WhoeverIsStoppedDoesNotMakeRoom) {
  (void)training();
  (void)machine_.stop("stopped by SIGINT", now_);
  EXPECT_FALSE(machine_.drain("stopped by SIGTERM", now_).drain);
  EXPECT_FALSE(machine_.trained(cancelled("stopped")).drained);
}

}  // namespace
}  // namespace sluice::worker
