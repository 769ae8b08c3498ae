#include "worker/partition_data.h"

#include <gmock/gmock.h>

#include "sluice/dataset.h"

namespace sluice::worker {
namespace {

using testing::ElementsAre;

TEST(PartitionDataTest, GathersThroughItsMapAsNumbersOrOneHot) {
  const Dataset five_records = Dataset::from_arrays(std::vector<float>{0, 10, 20, 30, 40},
                                                    std::vector<int32_t>{0, 1, 2, 0, 1}, {1}, 3);
  const PartitionData partition(five_records.records(), {4, 2});
  EXPECT_EQ(partition.size(), 2);
  std::vector<float> x(2), numbers(2), one_hot(6);
  const std::vector<uint32_t> indices = {1, 0};
  partition.gather(indices, x, data::TargetForm::kClassNumbers, numbers);
  EXPECT_THAT(x, ElementsAre(20, 40));
  EXPECT_THAT(numbers, ElementsAre(2, 1));
  partition.gather(indices, x, data::TargetForm::kVectors, one_hot);
  EXPECT_THAT(one_hot, ElementsAre(0, 0, 1, 0, 1, 0));
}

}  // namespace
}  // namespace sluice::worker
