#include "data/partition.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <stdexcept>

namespace sluice::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<uint32_t> sorted(std::vector<uint32_t> v) {
  std::sort(v.begin(), v.end());
  return v;
}

std::vector<uint32_t> counting(size_t n) {
  std::vector<uint32_t> v(n);
  std::iota(v.begin(), v.end(), 0u);
  return v;
}

std::vector<uint32_t> copy(std::span<const uint32_t> v) { return {v.begin(), v.end()}; }

TEST(PartitioningTest, SizesDifferByAtMostOneAndEveryRecordIsInOnePartition) {
  for (int64_t partitions : {1, 2, 3, 7, 10, 103}) {
    for (Shuffle shuffle : {Shuffle::kNone, Shuffle::kEachEpoch}) {
      Partitioning cut(103, partitions, 5, shuffle);
      std::vector<uint32_t> all;
      int64_t smallest = 103, largest = 0;
      for (int64_t p = 0; p < partitions; ++p) {
        const auto records = cut.records(p);
        ASSERT_EQ(static_cast<int64_t>(records.size()), cut.size(p));
        all.insert(all.end(), records.begin(), records.end());
        smallest = std::min(smallest, cut.size(p));
        largest = std::max(largest, cut.size(p));
      }
      EXPECT_LE(largest - smallest, 1) << partitions;
      EXPECT_EQ(sorted(all), counting(103)) << partitions;
    }
  }
}

TEST(PartitioningTest, WithoutShufflingPartitionsAreConsecutive) {
  Partitioning cut(7, 3, 1, Shuffle::kNone);
  EXPECT_THAT(cut.records(0), ElementsAre(0, 1, 2));
  EXPECT_THAT(cut.records(1), ElementsAre(3, 4));
  EXPECT_THAT(cut.records(2), ElementsAre(5, 6));
}

TEST(PartitioningTest, ShufflingSpreadsADatasetThatIsSortedByClass) {
  // 1,000 records of each of ten classes, sorted; cut in four.
  Partitioning cut(10000, 4, 3, Shuffle::kEachEpoch);
  for (int64_t p = 0; p < 4; ++p) {
    std::vector<int> per_class(10);
    for (uint32_t r : cut.records(p)) ++per_class[r / 1000];
    for (int count : per_class) {  // 250 expected; standard deviation below 14
      EXPECT_GT(count, 170);
      EXPECT_LT(count, 330);
    }
  }
}

TEST(PartitioningTest, TheSeedAloneDecidesTheCut) {
  const Partitioning a(1000, 3, 7, Shuffle::kEachEpoch), b(1000, 3, 7, Shuffle::kEachEpoch);
  const Partitioning c(1000, 3, 8, Shuffle::kEachEpoch);
  EXPECT_EQ(a.records(1), b.records(1));
  EXPECT_NE(a.records(1), c.records(1));
}

TEST(PartitioningTest, ImpossibleCutsAreRefusedWithAdvice) {
  EXPECT_THAT(([] { Partitioning(5, 8, 0, Shuffle::kNone); }),
              ThrowsMessage<std::invalid_argument>(HasSubstr("use fewer --workers")));
  EXPECT_THROW(Partitioning(5, 0, 0, Shuffle::kNone), std::invalid_argument);
  EXPECT_THROW(Partitioning(0, 1, 0, Shuffle::kNone), std::invalid_argument);
  EXPECT_THROW(Partitioning(int64_t{1} << 32, 1, 0, Shuffle::kNone), std::invalid_argument);
  EXPECT_THROW(Partitioning(5, 2, 0, Shuffle::kNone).size(2), std::out_of_range);
  EXPECT_THROW(Partitioning(5, 2, 0, Shuffle::kNone).records(-1), std::out_of_range);
}

TEST(BatchPlanTest, EveryRecordComesExactlyOncePerEpochWithASmallerLastBatch) {
  for (Shuffle shuffle : {Shuffle::kNone, Shuffle::kEachEpoch}) {
    BatchPlan plan(0, 50, 16, 3, 9, shuffle);
    ASSERT_EQ(plan.steps(), 3 * 4);
    for (int epoch = 0; epoch < 3; ++epoch) {
      std::vector<uint32_t> seen;
      for (int64_t step = epoch * 4; step < epoch * 4 + 4; ++step) {
        const auto batch = plan.batch(step);
        EXPECT_EQ(batch.size(), step % 4 == 3 ? 2u : 16u);
        EXPECT_EQ(plan.batch_size(step), static_cast<int64_t>(batch.size()));
        EXPECT_EQ(plan.epoch_of(step), epoch);
        seen.insert(seen.end(), batch.begin(), batch.end());
      }
      EXPECT_EQ(sorted(seen), counting(50));
    }
  }
}

TEST(BatchPlanTest, ABatchSizeThatDividesThePartitionLeavesNoSmallerBatch) {
  BatchPlan plan(0, 48, 16, 1, 0, Shuffle::kNone);
  EXPECT_EQ(plan.steps(), 3);
  EXPECT_EQ(plan.batch_size(2), 16);
  EXPECT_EQ(plan.batch(2).front(), 32u);
  EXPECT_EQ(plan.batch(2).back(), 47u);
}

TEST(BatchPlanTest, EpochsAndPartitionsHaveTheirOwnOrder) {
  BatchPlan plan(0, 100, 100, 2, 1, Shuffle::kEachEpoch);
  BatchPlan other(1, 100, 100, 2, 1, Shuffle::kEachEpoch);
  std::set<std::vector<uint32_t>> orders = {copy(plan.batch(0)), copy(plan.batch(1)),
                                            copy(other.batch(0)), counting(100)};
  EXPECT_EQ(orders.size(), 4u);
}

TEST(BatchPlanTest, TakingUpAtAnyStepGivesTheSameBatchAsRunningThrough) {
  BatchPlan through(2, 37, 5, 4, 11, Shuffle::kEachEpoch);
  std::vector<std::vector<uint32_t>> batches;
  for (int64_t step = 0; step < through.steps(); ++step)
    batches.push_back(copy(through.batch(step)));
  for (int64_t step = 0; step < through.steps(); ++step) {
    BatchPlan resumed(2, 37, 5, 4, 11, Shuffle::kEachEpoch);
    ASSERT_EQ(copy(resumed.batch(step)), batches[static_cast<size_t>(step)]) << step;
  }
  // And going back.
  for (int64_t step = through.steps() - 1; step >= 0; --step) {
    ASSERT_EQ(copy(through.batch(step)), batches[static_cast<size_t>(step)]) << step;
  }
}

TEST(BatchPlanTest, APartitionSmallerThanABatchIsOne) {
  for (const int64_t batch_size : {int64_t{20}, int64_t{32}, INT64_MAX}) {
    BatchPlan plan(0, 20, batch_size, 3, 0, Shuffle::kNone);
    EXPECT_EQ(plan.steps(), 3);
    EXPECT_EQ(plan.batch_size(2), 20);
    EXPECT_EQ(plan.batch(2).size(), 20u);
  }
}

TEST(BatchPlanTest, WhatCannotBeTrainedIsRefused) {
  EXPECT_THAT(([] { BatchPlan(3, 0, 32, 1, 0, Shuffle::kNone); }),
              ThrowsMessage<std::invalid_argument>(
                  "partition 3 of 0 records: expected from 1 to 4294967295"));
  EXPECT_THROW(BatchPlan(0, 20, 0, 1, 0, Shuffle::kNone), std::invalid_argument);
  EXPECT_THROW(BatchPlan(0, 20, 5, 0, 0, Shuffle::kNone), std::invalid_argument);
  BatchPlan plan(0, 20, 5, 1, 0, Shuffle::kNone);
  EXPECT_THROW(plan.batch(4), std::out_of_range);
  EXPECT_THROW(plan.batch(-1), std::out_of_range);
}

}  // namespace
}  // namespace sluice::data
