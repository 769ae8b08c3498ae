#include "server/push_ledger.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

using wire::PushIdentity;

void apply(PushLedger& ledger, const PushIdentity& id) {
  ASSERT_EQ(ledger.decide(id), PushDecision::kApply);
  ledger.reserve(id.partition);
  ledger.record(id);
}

TEST(PushLedgerTest, FirstPushOfAPartitionIsApplied) {
  const PushLedger ledger;
  EXPECT_EQ(ledger.decide({5, 1, 1}), PushDecision::kApply);
}

TEST(PushLedgerTest, PushesApplyInSequence) {
  PushLedger ledger;
  for (int64_t sequence = 1; sequence <= 4; ++sequence) apply(ledger, {5, 1, sequence});
  EXPECT_EQ(ledger.entry(5), (PushLedger::Entry{1, 4}));
}

TEST(PushLedgerTest, AppliedSequencesAreDuplicates) {
  PushLedger ledger;
  apply(ledger, {5, 1, 1});
  apply(ledger, {5, 1, 2});
  EXPECT_EQ(ledger.decide({5, 1, 2}), PushDecision::kDuplicate);
  EXPECT_EQ(ledger.decide({5, 1, 1}), PushDecision::kDuplicate);
}

TEST(PushLedgerTest, SkippedSequenceIsAGap) {
  PushLedger ledger;
  EXPECT_EQ(ledger.decide({5, 1, 2}), PushDecision::kGap);
  apply(ledger, {5, 1, 1});
  EXPECT_EQ(ledger.decide({5, 1, 3}), PushDecision::kGap);
  EXPECT_EQ(ledger.decide({5, 9, 3}), PushDecision::kGap) << "also for a newer incarnation";
}

TEST(PushLedgerTest, OlderIncarnationIsFencedEvenForADuplicate) {
  PushLedger ledger;
  apply(ledger, {5, 3, 1});
  EXPECT_EQ(ledger.decide({5, 2, 2}), PushDecision::kFenced);
  EXPECT_EQ(ledger.decide({5, 2, 1}), PushDecision::kFenced);
}

TEST(PushLedgerTest, NewerIncarnationIsAcceptedAndFencesTheOlder) {
  PushLedger ledger;
  apply(ledger, {5, 1, 1});
  EXPECT_EQ(ledger.decide({5, 2, 1}), PushDecision::kDuplicate);
  apply(ledger, {5, 2, 2});
  EXPECT_EQ(ledger.decide({5, 1, 3}), PushDecision::kFenced);
}

TEST(PushLedgerTest, FenceHoldsBeforeTheFirstPushAndNeverGoesBack) {
  PushLedger ledger;
  ledger.fence(5, 4);
  ledger.fence(5, 2);
  EXPECT_EQ(ledger.decide({5, 3, 1}), PushDecision::kFenced);
  EXPECT_EQ(ledger.decide({5, 4, 1}), PushDecision::kApply);
}

TEST(PushLedgerTest, FenceKeepsTheSequence) {
  PushLedger ledger;
  apply(ledger, {5, 1, 1});
  ledger.fence(5, 2);
  EXPECT_EQ(ledger.entry(5), (PushLedger::Entry{2, 1}));
  EXPECT_EQ(ledger.decide({5, 2, 2}), PushDecision::kApply);
}

TEST(PushLedgerTest, PartitionsAreIndependent) {
  PushLedger ledger;
  apply(ledger, {5, 7, 1});
  EXPECT_EQ(ledger.decide({6, 1, 1}), PushDecision::kApply);
  EXPECT_EQ(ledger.decide({6, 1, 2}), PushDecision::kGap);
}

TEST(PushLedgerTest, ReservingDecidesNothing) {
  PushLedger ledger;
  ledger.reserve(5);
  EXPECT_EQ(ledger.decide({5, 0, 1}), PushDecision::kApply);
  EXPECT_EQ(ledger.entry(5), PushLedger::Entry{});
}

}  // namespace
}  // namespace sluice::server
