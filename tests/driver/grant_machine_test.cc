#include "driver/grant_machine.h"

#include <gmock/gmock.h>

namespace sluice::driver {
namespace {

using testing::HasSubstr;
using Outcome = GrantMachine::Outcome;

class GrantMachineTest : public testing::Test {
 protected:
  static constexpr wire::Lease kLease{
      .partition = 2, .incarnation = 5, .next_sequence = 1, .records = 100, .last = 10};

  GrantMachine machine{kLease, /*servers=*/3};
};

wire::FenceReply at(int64_t sequence) { return {sequence}; }

TEST_F(GrantMachineTest, GrantedWhenEveryServerHasFencedFromThePushThatSomeServerLacks) {
  EXPECT_FALSE(machine.fenced(at(7)));
  EXPECT_FALSE(machine.fenced(at(4)));
  const auto decision = machine.fenced(at(6));
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 5);
  EXPECT_EQ(decision->lease.partition, kLease.partition);
  EXPECT_EQ(decision->lease.incarnation, kLease.incarnation);
  EXPECT_EQ(decision->lease.records, kLease.records);
}

TEST_F(GrantMachineTest, APartitionThatNobodyHasTrainedStartsAtTheFirstPush) {
  (void)machine.fenced(at(0));
  (void)machine.fenced(at(0));
  EXPECT_EQ(machine.fenced(at(0))->lease.next_sequence, 1);
}

// Its last holder died before it could say so.
TEST_F(GrantMachineTest, APartitionThatIsTrainedIsGrantedFromBehindItsLastPush) {
  (void)machine.fenced(at(10));
  (void)machine.fenced(at(10));
  const auto decision = machine.fenced(at(10));
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 11);
}

TEST_F(GrantMachineTest, AServerThatCannotBeReachedIsWaitedFor) {
  for (const Status& why : {unavailable("server 1 is silent"),
                            Status(StatusCode::kDeadlineExceeded, "server 1 is silent"),
                            Status(StatusCode::kResourceExhausted, "server 1 is silent")}) {
    GrantMachine fresh(kLease, 3);
    EXPECT_FALSE(fresh.fenced(at(3)));
    const auto decision = fresh.fenced(why);
    ASSERT_TRUE(decision);
    EXPECT_EQ(decision->outcome, Outcome::kWait);
    EXPECT_EQ(decision->why, why);
    EXPECT_EQ(decision->lease.partition, kLease.partition);
    EXPECT_EQ(decision->lease.incarnation, kLease.incarnation);
  }
}

TEST_F(GrantMachineTest, AServerThatRefusesWillRefuseAgain) {
  for (const Status& why :
       {not_found("another job"), invalid_argument("no such partition"),
        Status(StatusCode::kFailedPrecondition, "no values"), internal_error("out of memory")}) {
    GrantMachine fresh(kLease, 3);
    const auto decision = fresh.fenced(why);
    ASSERT_TRUE(decision);
    EXPECT_EQ(decision->outcome, Outcome::kFailed);
    EXPECT_EQ(decision->why, why);
  }
}

TEST_F(GrantMachineTest, AServerThatAnswersNonsenseIsNotBelieved) {
  for (const int64_t sequence : {int64_t{-1}, int64_t{11}, INT64_MAX, INT64_MIN}) {
    GrantMachine fresh(kLease, 3);
    const auto decision = fresh.fenced(at(sequence));
    ASSERT_TRUE(decision);
    EXPECT_EQ(decision->outcome, Outcome::kFailed);
    EXPECT_EQ(decision->why.code(), StatusCode::kInternal);
    EXPECT_THAT(decision->why.message(), HasSubstr("pushes 1 to 10 of partition 2, and speaks of " +
                                                   std::to_string(sequence)));
  }
}

TEST_F(GrantMachineTest, ALeaseOfTheMiddleStartsThereAtTheEarliest) {
  wire::Lease middle = kLease;
  middle.next_sequence = 4;
  middle.last = 6;
  for (const int64_t sequence : {2, 7}) {
    GrantMachine fresh(middle, 1);
    EXPECT_EQ(fresh.fenced(at(sequence))->outcome, Outcome::kFailed) << sequence;
  }
  GrantMachine fresh(middle, 1);
  const auto decision = fresh.fenced(at(3));
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 4);
  EXPECT_EQ(decision->lease.last, 6);
}

TEST_F(GrantMachineTest, ADecisionIsMadeOnce) {
  EXPECT_TRUE(machine.fenced(unavailable("server 1 is silent")));
  EXPECT_FALSE(machine.fenced(at(3)));
  EXPECT_FALSE(machine.fenced(internal_error("late")));

  GrantMachine alone(kLease, 1);
  EXPECT_TRUE(alone.fenced(at(3)));
  EXPECT_FALSE(alone.fenced(at(3)));
}

}  // namespace
}  // namespace sluice::driver
