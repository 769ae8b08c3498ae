#include "server/push_ledger.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace sluice::server {
namespace {

using wire::PushIdentity;
using Segments = PushLedger::Segments;

void apply(PushLedger& ledger, const PushIdentity& id) {
  ASSERT_EQ(ledger.decide(id), PushDecision::kApply);
  ledger.reserve(id.partition);
  ledger.record(id);
}

// Seven partitions of ten pushes.
class PushLedgerTest : public testing::Test {
 protected:
  const std::vector<int64_t> pushes_ = std::vector<int64_t>(7, 10);
  PushLedger ledger_{pushes_};
};

TEST_F(PushLedgerTest, FirstPushOfAPartitionIsApplied) {
  EXPECT_EQ(ledger_.decide({5, 1, 1}), PushDecision::kApply);
}

TEST_F(PushLedgerTest, PushesApplyInSequence) {
  for (int64_t sequence = 1; sequence <= 4; ++sequence) apply(ledger_, {5, 1, sequence});
  EXPECT_EQ(ledger_.segments(5), (Segments{{1, 10, 1, 4}}));
  EXPECT_EQ(ledger_.count(5), 4);
}

TEST_F(PushLedgerTest, AppliedSequencesAreDuplicates) {
  apply(ledger_, {5, 1, 1});
  apply(ledger_, {5, 1, 2});
  EXPECT_EQ(ledger_.decide({5, 1, 2}), PushDecision::kDuplicate);
  EXPECT_EQ(ledger_.decide({5, 1, 1}), PushDecision::kDuplicate);
}

TEST_F(PushLedgerTest, SkippedSequenceIsAGap) {
  EXPECT_EQ(ledger_.decide({5, 1, 2}), PushDecision::kGap);
  apply(ledger_, {5, 1, 1});
  EXPECT_EQ(ledger_.decide({5, 1, 3}), PushDecision::kGap);
  EXPECT_EQ(ledger_.decide({5, 9, 3}), PushDecision::kGap) << "also for a newer incarnation";
}

TEST_F(PushLedgerTest, OlderIncarnationIsFencedEvenForADuplicate) {
  apply(ledger_, {5, 3, 1});
  EXPECT_EQ(ledger_.decide({5, 2, 2}), PushDecision::kFenced);
  EXPECT_EQ(ledger_.decide({5, 2, 1}), PushDecision::kFenced);
}

TEST_F(PushLedgerTest, NewerIncarnationIsAcceptedAndFencesTheOlder) {
  apply(ledger_, {5, 1, 1});
  EXPECT_EQ(ledger_.decide({5, 2, 1}), PushDecision::kDuplicate);
  apply(ledger_, {5, 2, 2});
  EXPECT_EQ(ledger_.decide({5, 1, 3}), PushDecision::kFenced);
}

TEST_F(PushLedgerTest, FenceHoldsBeforeTheFirstPushAndNeverGoesBack) {
  EXPECT_TRUE(ledger_.fence(5, 4, 1, 10));
  EXPECT_TRUE(ledger_.fence(5, 2, 1, 10));
  EXPECT_EQ(ledger_.decide({5, 3, 1}), PushDecision::kFenced);
  EXPECT_EQ(ledger_.decide({5, 4, 1}), PushDecision::kApply);
}

TEST_F(PushLedgerTest, FenceKeepsTheSequence) {
  apply(ledger_, {5, 1, 1});
  EXPECT_TRUE(ledger_.fence(5, 2, 1, 10));
  EXPECT_EQ(ledger_.segments(5), (Segments{{1, 10, 2, 1}}));
  EXPECT_EQ(ledger_.decide({5, 2, 2}), PushDecision::kApply);
}

TEST_F(PushLedgerTest, AFenceIsForItsIntervalOnly) {
  apply(ledger_, {5, 1, 1});
  EXPECT_TRUE(ledger_.fence(5, 2, 4, 7));
  EXPECT_EQ(ledger_.segments(5), (Segments{{1, 3, 1, 1}, {4, 7, 2, 3}, {8, 10, 1, 7}}));
  EXPECT_EQ(ledger_.decide({5, 1, 4}), PushDecision::kFenced);
  EXPECT_EQ(ledger_.decide({5, 2, 4}), PushDecision::kApply) << "the front may be another's";
  EXPECT_EQ(ledger_.decide({5, 2, 5}), PushDecision::kGap);
  EXPECT_EQ(ledger_.decide({5, 1, 2}), PushDecision::kApply) << "its holder goes on";
  EXPECT_EQ(ledger_.decide({5, 1, 8}), PushDecision::kApply);
}

TEST_F(PushLedgerTest, WhatIsAppliedIsDividedWithItsSegment) {
  for (int64_t sequence = 1; sequence <= 6; ++sequence) apply(ledger_, {5, 1, sequence});
  EXPECT_TRUE(ledger_.fence(5, 2, 4, 10));
  EXPECT_EQ(ledger_.segments(5), (Segments{{1, 3, 1, 3}, {4, 10, 2, 6}}));
  EXPECT_EQ(ledger_.applied(5, 4, 10), 6);
  EXPECT_EQ(ledger_.applied(5, 1, 3), 3);
  EXPECT_EQ(ledger_.decide({5, 2, 4}), PushDecision::kDuplicate);
  EXPECT_EQ(ledger_.decide({5, 1, 3}), PushDecision::kDuplicate);
}

TEST_F(PushLedgerTest, AnIntervalIsAppliedAsFarAsNothingIsMissing) {
  EXPECT_TRUE(ledger_.fence(5, 2, 6, 10));
  EXPECT_EQ(ledger_.applied(5, 6, 10), 5) << "none";
  for (const int64_t sequence : {1, 2}) apply(ledger_, {5, 1, sequence});
  for (const int64_t sequence : {6, 7}) apply(ledger_, {5, 2, sequence});
  EXPECT_EQ(ledger_.applied(5, 1, 10), 2);
  for (const int64_t sequence : {3, 4, 5}) apply(ledger_, {5, 1, sequence});
  EXPECT_EQ(ledger_.applied(5, 1, 10), 7);
  EXPECT_EQ(ledger_.applied(5, 1, 6), 6);
  EXPECT_EQ(ledger_.count(5), 7);
}

TEST_F(PushLedgerTest, NeighboursThatNeedNotBeToldApartBecomeOne) {
  EXPECT_TRUE(ledger_.fence(5, 2, 6, 10));
  for (int64_t sequence = 1; sequence <= 5; ++sequence) apply(ledger_, {5, 1, sequence});
  EXPECT_EQ(ledger_.segments(5).size(), 2u);
  for (int64_t sequence = 6; sequence <= 10; ++sequence) apply(ledger_, {5, 2, sequence});
  EXPECT_EQ(ledger_.segments(5), (Segments{{1, 10, 1, 10}})) << "all applied";
  EXPECT_TRUE(ledger_.fence(4, 2, 6, 10));
  EXPECT_TRUE(ledger_.fence(4, 3, 1, 10));
  EXPECT_EQ(ledger_.segments(4), (Segments{{1, 10, 3, 0}})) << "one lease";
}

TEST_F(PushLedgerTest, ATableInTooManyPiecesTakesNoMore) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "one thread, for half a minute";
#endif
  const std::vector<int64_t> many{int64_t{1} << 40};
  PushLedger ledger(many);
  int64_t cuts = 0;
  while (ledger.fence(0, 1 + cuts, 2 * cuts + 2, 2 * cuts + 2)) ++cuts;
  const size_t most = ledger.segments(0).size();
  EXPECT_LE(most, PushLedger::kMostCuts + 1);
  EXPECT_GE(most, PushLedger::kMostCuts - 1);
  EXPECT_FALSE(ledger.fence(0, 1 + cuts, 2 * cuts + 2, 2 * cuts + 2));
  EXPECT_EQ(ledger.segments(0).size(), most);
  EXPECT_TRUE(ledger.fence(0, 2 + cuts, 1, many[0])) << "which makes one of all";
  EXPECT_EQ(ledger.segments(0).size(), 1u);
  EXPECT_TRUE(ledger.fence(0, 3 + cuts, 2, 2));
}

TEST_F(PushLedgerTest, PartitionsAreIndependent) {
  apply(ledger_, {5, 7, 1});
  EXPECT_EQ(ledger_.decide({6, 1, 1}), PushDecision::kApply);
  EXPECT_EQ(ledger_.decide({6, 1, 2}), PushDecision::kGap);
}

TEST_F(PushLedgerTest, ReservingDecidesNothing) {
  ledger_.reserve(5);
  EXPECT_EQ(ledger_.decide({5, 0, 1}), PushDecision::kApply);
  EXPECT_EQ(ledger_.segments(5), (Segments{{1, 10, 0, 0}}));
  EXPECT_EQ(ledger_.count(5), 0);
}

// --- At another server ---

TEST_F(PushLedgerTest, GoesOnAtAnotherServer) {
  apply(ledger_, {5, 1, 1});
  apply(ledger_, {5, 1, 2});
  ASSERT_TRUE(ledger_.fence(5, 3, 6, 10));
  apply(ledger_, {2, 1, 1});
  wire::LedgerState state;
  ledger_.add_state(state);
  PushLedger other(pushes_);
  ASSERT_TRUE(other.adopt(state).ok());
  EXPECT_EQ(other.partitions(), ledger_.partitions());
  EXPECT_EQ(other.decide({5, 1, 2}), PushDecision::kDuplicate);
  EXPECT_EQ(other.decide({5, 1, 6}), PushDecision::kFenced);
  EXPECT_EQ(other.decide({5, 3, 6}), PushDecision::kApply);
  EXPECT_EQ(other.decide({0, 1, 1}), PushDecision::kApply) << "of which nothing was heard";
}

TEST_F(PushLedgerTest, RefusesWhatIsOfAnotherJob) {
  using Segment = wire::LedgerState::Segment;
  for (const std::vector<Segment>& wrong :
       std::vector<std::vector<Segment>>{{{7, 1, 10, 0, 0}},  // no such partition
                                         {{-1, 1, 10, 0, 0}},
                                         {{5, 1, 11, 0, 0}},  // nor push
                                         {{5, 1, 9, 0, 0}},   // one is missing
                                         {{5, 2, 10, 0, 1}},
                                         {{5, 1, 4, 0, 0}, {5, 6, 10, 0, 5}},
                                         {{5, 1, 6, 0, 0}, {5, 6, 10, 0, 5}},  // or there twice
                                         {{5, 1, 10, 0, 11}},  // more than there are
                                         {{5, 1, 10, 0, -1}},
                                         {{5, 1, 10, -1, 0}},  // a lease that makes no sense
                                         {{5, 1, 0, 0, 0}}}) {
    EXPECT_EQ(ledger_.adopt({.segments = wrong}).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(ledger_.partitions().empty());
}

}  // namespace
}  // namespace sluice::server
