#include "server/training_totals.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace sluice::server {
namespace {

using Epochs = std::vector<wire::EpochMetrics>;
using Workers = std::vector<wire::WorkerCount>;

wire::PushHeader push_of(int worker, Epochs metrics) {
  wire::PushHeader header;
  header.worker = worker;
  header.metrics = std::move(metrics);
  return header;
}

core::TimePoint at(int seconds) { return core::TimePoint(std::chrono::seconds(seconds)); }

void count(TrainingTotals& totals, const wire::PushHeader& header, int seconds = 0) {
  totals.reserve(header);
  totals.record(header, at(seconds));
}

TEST(TrainingTotalsTest, AnEpochsLastSampleHasATime) {
  TrainingTotals totals;
  count(totals, push_of(7, {{0, 16, 2.5, {10}}}), 3);
  count(totals, push_of(7, {{0, 16, 2.5, {10}}, {1, 8, 2.5, {4}}}), 5);
  count(totals, push_of(7, {{1, 16, 2.5, {10}}}), 9);
  count(totals, push_of(7, {{0, 0, 0, {0}}, {2, 0, 0, {0}}}), 12);  // no samples
  EXPECT_EQ(totals.counted_at(), (std::vector{at(5), at(9)}));

  TrainingTotals other;
  count(other, push_of(3, {{1, 1, 0, {0}}}), 6);
  count(other, push_of(3, {{2, 1, 0, {0}}}), 8);
  totals.merge(other);
  EXPECT_EQ(totals.counted_at(), (std::vector{at(5), at(9), at(8)}));
}

TEST(TrainingTotalsTest, PushesAddUpByEpochAndByWorkerInOrder) {
  TrainingTotals totals;
  count(totals, push_of(7, {{1, 16, 2.5, {10}}}));
  count(totals, push_of(3, {{0, 48, 1.5, {40}}, {1, 32, 0.25, {30}}}));  // over an epoch's end
  count(totals, push_of(7, {{1, 80, 4.0, {70}}}));
  EXPECT_EQ(totals.epochs(), (Epochs{{0, 48, 1.5, {40}}, {1, 128, 6.75, {110}}}));
  EXPECT_EQ(totals.workers(), (Workers{{3, 1, 80}, {7, 2, 96}}));
}

TEST(TrainingTotalsTest, EveryCounterAddsUp) {
  TrainingTotals totals, other;
  count(totals, push_of(7, {{0, 16, 2.5, {1, 2, 3}}}));
  count(totals, push_of(3, {{0, 8, 0.5, {10, 20, 30}}}));
  count(other, push_of(3, {{0, 8, 1, {100, 200, 300}}, {1, 8, 1, {1, 1, 1}}}));
  totals.merge(other);
  EXPECT_EQ(totals.epochs(), (Epochs{{0, 32, 4, {111, 222, 333}}, {1, 8, 1, {1, 1, 1}}}));
}

TEST(TrainingTotalsTest, ReservedButNotRecordedIsNotThere) {
  TrainingTotals totals;
  totals.reserve(push_of(7, {{0, 16, 2.5, {10}}}));
  EXPECT_EQ(totals.epochs(), Epochs{});
  EXPECT_EQ(totals.workers(), Workers{});
  // Nor does it change what is.
  count(totals, push_of(7, {{0, 5, 0.5, {4}}}));
  totals.reserve(push_of(7, {{0, 16, 2.5, {10}}, {1, 16, 2.5, {10}}}));
  EXPECT_EQ(totals.epochs(), (Epochs{{0, 5, 0.5, {4}}}));
  EXPECT_EQ(totals.workers(), (Workers{{7, 1, 5}}));
}

TEST(TrainingTotalsTest, OtherShardsPartsOfAPushCountNothing) {
  TrainingTotals totals;
  wire::PushHeader header = push_of(7, {});
  header.shard = 1;
  count(totals, header);
  EXPECT_EQ(totals.epochs(), Epochs{});
  EXPECT_EQ(totals.workers(), Workers{});
}

// DOWNPOUR with a window of 1 pushes before its first step.
TEST(TrainingTotalsTest, APushOfNoStepsIsStillTheWorkersPush) {
  TrainingTotals totals;
  count(totals, push_of(7, {}));
  EXPECT_EQ(totals.epochs(), Epochs{});
  EXPECT_EQ(totals.workers(), (Workers{{7, 1, 0}}));
}

TEST(TrainingTotalsTest, MergingAddsAndKeepsWhatOnlyOneHas) {
  TrainingTotals totals;
  count(totals, push_of(1, {{0, 10, 1.0, {9}}}));
  count(totals, push_of(2, {{1, 20, 2.0, {18}}}));
  TrainingTotals other;
  count(other, push_of(2, {{1, 30, 4.0, {27}}}));
  count(other, push_of(5, {{2, 40, 8.0, {36}}}));
  other.reserve(push_of(9, {{9, 1, 1.0, {1}}}));
  totals.merge(other);
  EXPECT_EQ(totals.epochs(), (Epochs{{0, 10, 1.0, {9}}, {1, 50, 6.0, {45}}, {2, 40, 8.0, {36}}}));
  EXPECT_EQ(totals.workers(), (Workers{{1, 1, 10}, {2, 2, 50}, {5, 1, 40}}));
  // What was merged stays as it was.
  EXPECT_EQ(other.epochs(), (Epochs{{1, 30, 4.0, {27}}, {2, 40, 8.0, {36}}}));
}

TEST(TrainingTotalsTest, MergedTotalsGoOnCounting) {
  TrainingTotals totals;
  TrainingTotals other;
  count(other, push_of(5, {{2, 40, 8.0, {36}}}));
  totals.merge(other);
  count(totals, push_of(5, {{2, 2, 0.5, {1}}}));
  EXPECT_EQ(totals.epochs(), (Epochs{{2, 42, 8.5, {37}}}));
  EXPECT_EQ(totals.workers(), (Workers{{5, 2, 42}}));
}

}  // namespace
}  // namespace sluice::server
