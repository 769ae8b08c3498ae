#include "driver/grant_machine.h"

#include <gmock/gmock.h>

#include <vector>

namespace sluice::driver {
namespace {

using testing::HasSubstr;
using Outcome = GrantMachine::Outcome;

class GrantMachineTest : public testing::Test {
 protected:
  static constexpr wire::Lease kLease{
      .partition = 2, .incarnation = 5, .next_sequence = 1, .records = 100, .last = 10};

  // Every server's answer; what follows from the last.
  GrantMachine::Next all(const std::vector<wire::FenceReply>& replies) {
    GrantMachine::Next next;
    for (size_t server = 0; server < replies.size(); ++server) {
      EXPECT_FALSE(next.commit || next.decision);
      next = machine.fenced(server, replies[server]);
    }
    return next;
  }

  GrantMachine machine{kLease, /*servers=*/3};
};

wire::FenceReply at(int64_t sequence) { return {sequence}; }
wire::FenceReply staged_behind(int64_t sequence) { return {sequence, /*staged=*/true}; }

TEST_F(GrantMachineTest, GrantedWhenEveryServerHasFenced) {
  const auto decision = all({at(6), at(6), at(6)}).decision;
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 7);
  EXPECT_EQ(decision->lease.partition, kLease.partition);
  EXPECT_EQ(decision->lease.incarnation, kLease.incarnation);
  EXPECT_EQ(decision->lease.records, kLease.records);
}

TEST_F(GrantMachineTest, APartitionThatNobodyHasTrainedStartsAtTheFirstPush) {
  EXPECT_EQ(all({at(0), at(0), at(0)}).decision->lease.next_sequence, 1);
}

// Its last holder died before it could say so.
TEST_F(GrantMachineTest, APartitionThatIsTrainedIsGrantedFromBehindItsLastPush) {
  const auto decision = all({at(10), at(10), at(10)}).decision;
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 11);
}

// Its worker died before the first commit: the push is trained again.
TEST_F(GrantMachineTest, WhatIsStagedEverywhereAndAppliedNowhereIsNotCommitted) {
  const auto next = all({staged_behind(3), staged_behind(3), staged_behind(3)});
  EXPECT_FALSE(next.commit);
  EXPECT_EQ(next.decision->lease.next_sequence, 4);
}

// Its worker died between two commits.
TEST_F(GrantMachineTest, WhatOneServerHasAppliedTheOthersCommit) {
  const auto next = all({staged_behind(3), at(4), staged_behind(3)});
  ASSERT_TRUE(next.commit);
  EXPECT_FALSE(next.decision);
  EXPECT_EQ(next.commit->servers, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(next.commit->id, (wire::PushIdentity{2, 5, 4})) << "under the new lease";
  EXPECT_FALSE(next.commit->superseded);
  EXPECT_FALSE(machine.committed(ok_status()).decision);
  const auto decision = machine.committed(ok_status()).decision;
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 5);
}

TEST_F(GrantMachineTest, WhatOneServerHasSupersededTheOthersSupersede) {
  const auto next = all({{4, false, /*superseded=*/true}, at(4), staged_behind(3)});
  ASSERT_TRUE(next.commit);
  EXPECT_EQ(next.commit->servers, std::vector<size_t>{2});
  EXPECT_TRUE(next.commit->superseded);
}

TEST_F(GrantMachineTest, ACommitThatIsNotAnsweredIsWaitedFor) {
  ASSERT_TRUE(all({staged_behind(3), at(4), staged_behind(3)}).commit);
  const auto decision = machine.committed(unavailable("server 0 is silent")).decision;
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->outcome, Outcome::kWait);
  EXPECT_FALSE(machine.committed(ok_status()).decision);
}

TEST_F(GrantMachineTest, ServersThatCannotHaveWhatTheySayEndTheJob) {
  using Replies = std::vector<wire::FenceReply>;
  for (const auto& replies :
       {Replies{at(3), at(4), at(4)}, Replies{staged_behind(2), at(4), at(4)}}) {
    GrantMachine fresh(kLease, 3);
    GrantMachine::Next next;
    for (size_t i = 0; i < 3; ++i) next = fresh.fenced(i, replies[i]);
    ASSERT_TRUE(next.decision);
    EXPECT_EQ(next.decision->outcome, Outcome::kFailed);
    EXPECT_THAT(next.decision->why.message(), HasSubstr("has applied push 4 of partition 2"));
  }
}

TEST_F(GrantMachineTest, AServerThatCannotBeReachedIsWaitedFor) {
  for (const Status& why : {unavailable("server 1 is silent"),
                            Status(StatusCode::kDeadlineExceeded, "server 1 is silent"),
                            Status(StatusCode::kResourceExhausted, "server 1 is silent")}) {
    GrantMachine fresh(kLease, 3);
    EXPECT_FALSE(fresh.fenced(0, at(3)).decision);
    const auto decision = fresh.fenced(1, why).decision;
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
    const auto decision = fresh.fenced(0, why).decision;
    ASSERT_TRUE(decision);
    EXPECT_EQ(decision->outcome, Outcome::kFailed);
    EXPECT_EQ(decision->why, why);
  }
}

TEST_F(GrantMachineTest, AServerThatAnswersNonsenseIsNotBelieved) {
  for (const int64_t sequence : {int64_t{-1}, int64_t{11}, INT64_MAX, INT64_MIN}) {
    GrantMachine fresh(kLease, 3);
    const auto decision = fresh.fenced(0, at(sequence)).decision;
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
    EXPECT_EQ(fresh.fenced(0, at(sequence)).decision->outcome, Outcome::kFailed) << sequence;
  }
  GrantMachine fresh(middle, 1);
  const auto decision = fresh.fenced(0, at(3)).decision;
  EXPECT_EQ(decision->outcome, Outcome::kGranted);
  EXPECT_EQ(decision->lease.next_sequence, 4);
  EXPECT_EQ(decision->lease.last, 6);
}

TEST_F(GrantMachineTest, ADecisionIsMadeOnce) {
  EXPECT_TRUE(machine.fenced(1, unavailable("server 1 is silent")).decision);
  EXPECT_FALSE(machine.fenced(0, at(3)).decision);
  EXPECT_FALSE(machine.fenced(2, internal_error("late")).decision);

  GrantMachine alone(kLease, 1);
  EXPECT_TRUE(alone.fenced(0, at(3)).decision);
  EXPECT_FALSE(alone.fenced(0, at(3)).decision);
}

}  // namespace
}  // namespace sluice::driver
