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
  TrainingTotals totals;
  count(totals, push_of(7, {{0, 16, 2.5, {1, 2, 3}}}));
  count(totals, push_of(3, {{0, 8, 0.5, {10, 20, 30}}}));
  count(totals, push_of(3, {{0, 8, 1, {100, 200, 300}}, {1, 8, 1, {1, 1, 1}}}));
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

// DOWNPOUR with a window of 1 pushes before its first step.
TEST(TrainingTotalsTest, APushOfNoStepsIsStillTheWorkersPush) {
  TrainingTotals totals;
  count(totals, push_of(7, {}));
  EXPECT_EQ(totals.epochs(), Epochs{});
  EXPECT_EQ(totals.workers(), (Workers{{7, 1, 0}}));
}

}  // namespace
}  // namespace sluice::server
