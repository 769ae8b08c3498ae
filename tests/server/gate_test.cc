#include "server/gate.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

// Members 10, 11, ... are workers 0, 1, ...
class GateTest : public ::testing::Test {
 protected:
  void admit(Gate& gate, int workers, int64_t max_staleness = -1, int64_t clock = 0) {
    wire::Gate who{.generation = ++generation_, .trainees = {}, .max_staleness = max_staleness};
    for (int worker = 0; worker < workers; ++worker) {
      who.trainees.push_back({10 + worker, worker, clock});
    }
    gate.set(who);
  }
  static int64_t push(int worker) { return 10 + worker; }

  int64_t generation_ = 0;
};

TEST_F(GateTest, WithoutABoundNobodyWaits) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 2);
  for (int64_t n = 1; n <= 50; ++n) {
    gate.count(push(0), n);
    EXPECT_TRUE(gate.may_answer(push(0), n));
  }
  EXPECT_FALSE(gate.round_is_complete());
}

TEST_F(GateTest, AWorkerIsAtMostSoManyWindowsAheadOfTheSlowest) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 2, /*max_staleness=*/2);
  gate.count(push(0), 2);
  EXPECT_TRUE(gate.may_answer(push(0), 2));
  gate.count(push(0), 3);
  EXPECT_FALSE(gate.may_answer(push(0), 3));
  EXPECT_EQ(gate.slowest(), "worker 1");
  const auto report = gate.report();
  ASSERT_EQ(report.size(), 2u);
  EXPECT_EQ(report[0].clock, 3);
  EXPECT_EQ(report[1].worker, 1);
  EXPECT_EQ(report[1].clock, 0);
  gate.count(push(1), 1);
  EXPECT_TRUE(gate.may_answer(push(0), 3));
}

TEST_F(GateTest, AnyBoundMayBeSetWhileWorkersTrain) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 2, /*max_staleness=*/0);
  gate.count(push(0), 1);
  EXPECT_FALSE(gate.may_answer(push(0), 1));
  admit(gate, 2, /*max_staleness=*/4);
  EXPECT_TRUE(gate.may_answer(push(0), 1));
}

TEST_F(GateTest, HearsWhoHasComeSinceAGenerationThatItKnows) {
  Gate gate(/*rounds=*/true, 0);
  admit(gate, 2);
  const wire::Gate more{.generation = 5, .trainees = {{20, 7, 0}}, .since = 1};
  EXPECT_TRUE(gate.set(more));
  EXPECT_EQ(gate.trainees(), 3);
  EXPECT_TRUE(gate.trains(20));
  EXPECT_TRUE(gate.set(more)) << "nothing new";
  EXPECT_FALSE(gate.set({.generation = 9, .trainees = {{21, 8, 0}}, .since = 6}));
  EXPECT_FALSE(gate.trains(21));
  gate.count(push(0), 1);
  gate.count(push(1), 1);
  EXPECT_FALSE(gate.round_is_complete()) << "it is waited for";
  gate.count(20, 1);
  EXPECT_TRUE(gate.round_is_complete());
}

TEST_F(GateTest, TheFloorIsThatOfTheSlowestButTheBackups) {
  Gate gate(/*rounds=*/true, /*backups=*/1);
  admit(gate, 4);
  for (int64_t clock = 1; clock <= 20; ++clock) {
    for (int worker = 0; worker < 3; ++worker) {
      EXPECT_EQ(gate.floor(), clock - 1);
      EXPECT_EQ(gate.would_end_round(push(worker), clock), worker == 2);
      gate.count(push(worker), clock);
    }
    EXPECT_EQ(gate.floor(), clock);
    gate.end_round();
  }
}

TEST_F(GateTest, NobodyWaitsForWhoHasLeft) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 2, /*max_staleness=*/0);
  gate.count(push(0), 1);
  gate.count(push(1), 1);
  gate.count(push(0), 2);
  EXPECT_FALSE(gate.may_answer(push(0), 2));
  admit(gate, 1, 0);
  EXPECT_TRUE(gate.may_answer(push(0), 2));
  EXPECT_TRUE(gate.may_answer(push(1), 7)) << "nor does it wait itself";
}

TEST_F(GateTest, NobodyWaitsForWhoHasJustCome) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 1, /*max_staleness=*/0);
  gate.count(push(0), 5);
  admit(gate, 2, 0, /*clock=*/-1);
  gate.count(push(0), 6);
  EXPECT_TRUE(gate.may_answer(push(0), 6));
  EXPECT_EQ(gate.floor(), 6);
  gate.count(push(1), 6);
  gate.count(push(0), 7);
  EXPECT_FALSE(gate.may_answer(push(0), 7)) << "from its first push on it is waited for";
}

TEST_F(GateTest, TheFloorNeverFalls) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 1, /*max_staleness=*/0);
  gate.count(push(0), 5);
  admit(gate, 2, 0, /*clock=*/-1);
  gate.count(push(1), 3);
  EXPECT_EQ(gate.floor(), 5);
  EXPECT_TRUE(gate.may_answer(push(0), 5));
}

TEST_F(GateTest, AnOlderGateIsIgnored) {
  Gate gate(/*rounds=*/false, 0);
  admit(gate, 2, 0);
  gate.set({.generation = 1, .trainees = {}, .max_staleness = -1});
  EXPECT_EQ(gate.trainees(), 2);
}

TEST_F(GateTest, ARoundEndsWithTheLastOfItsWorkers) {
  Gate gate(/*rounds=*/true, 0);
  admit(gate, 3);
  EXPECT_FALSE(gate.would_end_round(push(0), 1));
  gate.count(push(0), 1);
  EXPECT_FALSE(gate.may_answer(push(0), 1));
  gate.count(push(1), 1);
  EXPECT_FALSE(gate.would_end_round(push(0), 1)) << "the same one again";
  EXPECT_FALSE(gate.would_end_round(push(0), 2)) << "nor does it count twice";
  EXPECT_TRUE(gate.would_end_round(push(2), 1));
  gate.count(push(2), 1);
  EXPECT_TRUE(gate.round_is_complete());
  EXPECT_FALSE(gate.may_answer(push(0), 1)) << "its step has not been made";
  gate.end_round();
  EXPECT_FALSE(gate.round_is_complete());
  for (int worker = 0; worker < 3; ++worker) EXPECT_TRUE(gate.may_answer(push(worker), 1));
  EXPECT_FALSE(gate.would_end_round(push(0), 2));
}

TEST_F(GateTest, ARoundIsCompleteWhenWhoIsMissingLeaves) {
  Gate gate(/*rounds=*/true, 0);
  admit(gate, 2);
  gate.count(push(0), 1);
  EXPECT_FALSE(gate.round_is_complete());
  admit(gate, 1);
  EXPECT_TRUE(gate.round_is_complete());
}

TEST_F(GateTest, BackupWorkersAreNotWaitedForAndComeTooLate) {
  Gate gate(/*rounds=*/true, /*backups=*/1);
  admit(gate, 3);
  gate.count(push(0), 1);
  EXPECT_TRUE(gate.would_end_round(push(1), 1));
  gate.count(push(1), 1);
  gate.end_round();
  EXPECT_TRUE(gate.is_superseded(push(2), 1));
  gate.count(push(2), 1);
  EXPECT_TRUE(gate.may_answer(push(2), 1)) << "at once: it goes on with the open round";
  EXPECT_FALSE(gate.is_superseded(push(2), 2));
  EXPECT_FALSE(gate.would_end_round(push(2), 2));
}

// Its first push began before the round did, and is as good as any: there are no backups.
TEST_F(GateTest, ANewcomersFirstPushIsPartOfTheOpenRound) {
  Gate gate(/*rounds=*/true, 0);
  admit(gate, 1);
  gate.count(push(0), 5);
  gate.end_round();
  admit(gate, 2, -1, /*clock=*/-1);
  EXPECT_FALSE(gate.is_superseded(push(1), 3));
  EXPECT_FALSE(gate.would_end_round(push(1), 3));
  gate.count(push(1), 3);
  EXPECT_TRUE(gate.may_answer(push(1), 3));
  EXPECT_FALSE(gate.would_end_round(push(0), 6));
}

TEST_F(GateTest, WithoutAnyDriverEachPushIsARound) {
  const Gate gate(/*rounds=*/true, 0);
  EXPECT_TRUE(gate.would_end_round(push(0), 1));
  EXPECT_TRUE(gate.may_answer(push(0), 1));
}

TEST_F(GateTest, GoesOnAtAnotherServer) {
  Gate gate(/*rounds=*/true, /*backups=*/0);
  ASSERT_TRUE(gate.set({.generation = 4, .trainees = {{1, 0, 0}, {2, 1, 0}}, .max_staleness = 3}));
  gate.count(1, 1);
  wire::LedgerState state;
  gate.add_state(state);
  Gate other(true, 0);
  other.adopt(state);
  EXPECT_TRUE(other.trains(2));
  EXPECT_FALSE(other.may_answer(1, 1));
  EXPECT_FALSE(other.would_end_round(1, 1));
  EXPECT_TRUE(other.would_end_round(2, 1));
  other.count(2, 1);
  EXPECT_EQ(other.floor(), 1);
  EXPECT_TRUE(other.round_is_complete());
  EXPECT_TRUE(other.set({.generation = 5, .trainees = {{3, 2, 1}}, .since = 4})) << "it has heard";
}

}  // namespace
}  // namespace sluice::server
