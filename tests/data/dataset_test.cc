#include "sluice/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "data/records.h"

namespace sluice {
namespace {

Dataset counting_dataset(int64_t n) {
  std::vector<float> x(static_cast<size_t>(n));
  std::vector<int32_t> labels(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i);
    labels[i] = static_cast<int32_t>(i % 3);
  }
  return Dataset::from_arrays(x, labels, Shape{1}, 3);
}

std::vector<float> values(const Dataset& d) {
  std::vector<uint32_t> indices(static_cast<size_t>(d.size()));
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<uint32_t>(i);
  std::vector<float> x(indices.size());
  d.records()->gather(indices, x);
  return x;
}

TEST(DatasetTest, FromArraysCopiesTheProgramsArrays) {
  std::vector<float> x = {1.5f, 2.5f, -3.5f, 4.5f};
  std::vector<int32_t> labels = {1, 0};
  Dataset d = Dataset::from_arrays(x, labels, Shape{2}, 2);
  x[0] = 99.0f;
  labels[0] = 7;
  EXPECT_EQ(d.size(), 2);
  EXPECT_EQ(d.sample_shape(), (Shape{2}));
  EXPECT_EQ(d.classes(), 2);
  std::vector<uint32_t> both = {0, 1};
  std::vector<float> out(4), y(2);
  d.records()->gather(both, out);
  d.records()->gather_targets(both, data::TargetForm::kClassNumbers, y);
  EXPECT_EQ(out, (std::vector<float>{1.5f, 2.5f, -3.5f, 4.5f}));
  EXPECT_EQ(y, (std::vector<float>{1.0f, 0.0f}));
}

TEST(DatasetTest, FromArraysRefusesSizesAndLabelsThatDoNotFit) {
  std::vector<float> x(5);
  std::vector<int32_t> labels = {0, 1};
  EXPECT_THROW(Dataset::from_arrays(x, labels, Shape{2}, 2), std::invalid_argument);
  x.resize(4);
  EXPECT_THROW(Dataset::from_arrays(x, labels, Shape{2}, 1), std::invalid_argument);
  EXPECT_THROW(Dataset(nullptr), std::invalid_argument);
}

TEST(DatasetTest, WithScaleMultipliesTheStoredNumbers) {
  const Dataset digits = generated_digits(3, 1).train;
  std::vector<float> usual(784), stored(784);
  digits.records()->gather(std::vector<uint32_t>{1}, usual);
  digits.with_scale(1).records()->gather(std::vector<uint32_t>{1}, stored);
  EXPECT_GT(*std::max_element(stored.begin(), stored.end()), 100);
  for (size_t i = 0; i < usual.size(); ++i) ASSERT_NEAR(usual[i] * 255, stored[i], 1e-3);
  for (const float wrong : {0.0f, -1.0f, NAN, INFINITY}) {
    EXPECT_THROW((void)digits.with_scale(wrong), std::invalid_argument) << wrong;
  }
}

TEST(DatasetTest, FromArraysTakesNumbersToPredict) {
  const std::vector<float> x = {1, 2, 3, 4}, one = {0.5f, -7}, two = {1, 2, 3, 4};
  const Dataset d = Dataset::from_arrays(x, one, Shape{2});
  EXPECT_EQ(d.size(), 2);
  EXPECT_EQ(d.classes(), 0);
  EXPECT_EQ(d.target_size(), 1);
  EXPECT_EQ(Dataset::from_arrays(x, two, Shape{2}).target_size(), 2);
  const auto last = Dataset::from_arrays(x, two, Shape{2}).split(0.5).second.records();
  std::vector<float> y(2);
  last->gather_targets(std::vector<uint32_t>{0}, data::TargetForm::kVectors, y);
  EXPECT_EQ(y, (std::vector<float>{3, 4}));
  const std::vector<float> three = {1, 2, 3};
  EXPECT_THROW(Dataset::from_arrays(x, three, Shape{2}), std::invalid_argument);
  EXPECT_THROW(Dataset::from_arrays(x, {}, Shape{2}), std::invalid_argument);
  EXPECT_THROW(Dataset::from_arrays(three, one, Shape{2}), std::invalid_argument);
}

TEST(DatasetTest, FromArraysRefusesAShapeThatCountsTheRecordsToo) {
  const std::vector<float> x(20), y(10), one_hot(30);
  const std::vector<int32_t> labels(10);
  const auto message = [](const auto& make) -> std::string {
    try {
      make();
      return "nothing was thrown";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  EXPECT_EQ(
      message([&] {
        (void)Dataset::from_arrays(x, y, {10, 2});
      }),
      "dataset \"arrays\": sample_shape [10, 2] makes a single record of all 20 features, got "
      "10 targets: give the shape of one record, without the number of records");
  for (const auto& said : {message([&] {
                             (void)Dataset::from_arrays(x, one_hot, {10, 2});
                           }),
                           message([&] {
                             (void)Dataset::from_arrays(x, labels, {10, 2}, 3);
                           })}) {
    EXPECT_NE(said.find("sample_shape [10, 2] makes a single record"), said.npos) << said;
  }
  EXPECT_EQ(Dataset::from_arrays(x, y, {2}).size(), 10);
  EXPECT_EQ(Dataset::from_arrays(x, y, {1, 2}).size(), 10);
  // Single records of such a shape: one number to predict, and an autoencoder's.
  EXPECT_EQ(Dataset::from_arrays(x, std::vector<float>{1}, {10, 2}).target_size(), 1);
  EXPECT_EQ(Dataset::from_arrays(x, x, {10, 2}).target_size(), 20);
  EXPECT_EQ(Dataset::from_arrays(x, std::vector<int32_t>{1}, {10, 2}, 3).size(), 1);
}

TEST(DatasetTest, WithoutARecordThereIsNoDataset) {
  EXPECT_THROW(Dataset::from_arrays({}, {}, {4}, 2), std::invalid_argument);
  EXPECT_THROW(Dataset::from_arrays({}, {}, {4}), std::invalid_argument);
  EXPECT_THROW(Dataset(counting_dataset(3).records()->slice(1, 0)), std::invalid_argument);
}

TEST(DatasetTest, SplitKeepsTheLastRecordsForValidation) {
  auto [train, validation] = counting_dataset(10).split(0.2);
  EXPECT_EQ(values(train), (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(values(validation), (std::vector<float>{8, 9}));
}

TEST(DatasetTest, SplitRoundsAsKerasDoes) {
  // Python: int(math.floor(10 * (1.0 - 0.25))) = 7, and floor(5 * (1.0 - 0.1)) = 4.
  EXPECT_EQ(counting_dataset(10).split(0.25).first.size(), 7);
  EXPECT_EQ(counting_dataset(5).split(0.1).first.size(), 4);
  // floor(10 * (1 - 0.9)) is 0 in double, 1 - 0.9 being a little under 0.1: as in Keras, an error.
  EXPECT_THROW((void)counting_dataset(10).split(0.9), std::invalid_argument);
}

TEST(DatasetTest, SplitRefusesAFractionThatLeavesAPartEmpty) {
  const Dataset d = counting_dataset(10);
  for (double fraction : {0.0, 1.0, -0.5, 2.0, 0.99, 0.0 / 0.0}) {
    EXPECT_THROW((void)d.split(fraction), std::invalid_argument) << fraction;
  }
}

}  // namespace
}  // namespace sluice
