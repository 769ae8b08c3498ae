#include "data/batch_source.h"

#include <gmock/gmock.h>

#include "sluice/dataset.h"

namespace sluice::data {
namespace {

using testing::ElementsAre;

TEST(InOrderBatchesTest, VisitsEveryRecordOnceInOrder) {
  const Dataset data = Dataset::from_arrays(std::vector<float>{0, 1, 2, 3, 4},
                                            std::vector<int32_t>{0, 1, 2, 0, 1}, {1}, 3);
  InOrderBatches batches(*data.records(), 2);
  ASSERT_EQ(batches.batches(), 3);
  std::vector<float> seen;
  for (int64_t batch = 0; batch < 3; ++batch) {
    std::vector<float> x(static_cast<size_t>(batches.size(batch))), y(x.size());
    batches.fill(batch, TargetForm::kClassNumbers, x, y);
    seen.insert(seen.end(), x.begin(), x.end());
    EXPECT_EQ(batches.epoch_of(batch), 0);
  }
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(batches.size(2), 1);
  EXPECT_THROW((void)batches.size(3), std::out_of_range);
  EXPECT_THROW((void)batches.size(-1), std::out_of_range);
}

TEST(InOrderBatchesTest, TargetsHaveTheFormThatIsAskedFor) {
  const Dataset data =
      Dataset::from_arrays(std::vector<float>{7, 8}, std::vector<int32_t>{2, 0}, {1}, 3);
  InOrderBatches batches(*data.records(), 2);
  std::vector<float> x(2), numbers(2), one_hot(6);
  batches.fill(0, TargetForm::kClassNumbers, x, numbers);
  EXPECT_THAT(numbers, ElementsAre(2, 0));
  batches.fill(0, TargetForm::kVectors, x, one_hot);
  EXPECT_THAT(one_hot, ElementsAre(0, 0, 1, 1, 0, 0));
}

}  // namespace
}  // namespace sluice::data
