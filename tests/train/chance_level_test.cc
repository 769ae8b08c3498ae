#include "train/chance_level.h"

#include <gmock/gmock.h>

#include <cmath>

#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "train/tasks.h"

namespace sluice::train {
namespace {

// Of four records, two each.
const std::vector<float> kFeatures = {0, 1, 2, 3, 4, 5, 6, 7};

data::RecordsInfo info_of(int classes, int64_t values) {
  data::RecordsInfo info;
  info.sample_shape = {2};
  info.classes = classes;
  info.values = values;
  info.element = data::Element::kFloat32;
  info.records = 4;
  return info;
}

data::Records records_of(int classes, int64_t values, const data::Targets& targets) {
  return {info_of(classes, values), data::Features{.memory = std::as_bytes(std::span(kFeatures))},
          targets, nullptr};
}

std::optional<show::ChanceLevel> level_of(const LossSpec& loss, int outputs,
                                          const data::Records& records,
                                          std::span<const float> class_weights = {},
                                          const std::string& regularizer = "") {
  Sequential model;
  model.add(Input({2}))
      .add(Dense({.units = outputs, .activation = "sigmoid", .kernel_regularizer = regularizer}));
  return chance_level(nn::lower(model, nn::parse_tasks({{.loss = loss}})), records, class_weights);
}

const std::vector<int32_t> kLabels = {0, 0, 0, 1};

TEST(ChanceLevelTest, OfClassesItIsTheEntropyOfTheirFrequencies) {
  const data::Records records = records_of(2, 0, {.labels = kLabels});
  const double entropy = -(0.75 * std::log(0.75) + 0.25 * std::log(0.25));
  for (const auto& [loss, outputs] : {std::pair{"categorical_crossentropy", 2},
                                      {"sparse_categorical_crossentropy", 2},
                                      {"binary_crossentropy", 1}}) {
    const auto level = level_of(loss, outputs, records);
    ASSERT_TRUE(level) << loss;
    EXPECT_NEAR(level->loss, entropy, 1e-12) << loss;
    EXPECT_EQ(level->accuracy, 0.75) << loss;
    EXPECT_EQ(level->records, 4) << loss;
  }
}

// As if there were three of either class.
TEST(ChanceLevelTest, WeightsOfClassesAndRecordsCount) {
  const std::vector<float> of_classes = {1, 3}, of_records = {1, 1, 1, 3};
  const double expected = 6 * std::log(2.0) / 4;
  const data::Records plain = records_of(2, 0, {.labels = kLabels});
  EXPECT_NEAR(level_of("categorical_crossentropy", 2, plain, of_classes)->loss, expected, 1e-12);
  const data::Records weighted = records_of(2, 0, {.labels = kLabels, .weights = of_records});
  EXPECT_NEAR(level_of("categorical_crossentropy", 2, weighted)->loss, expected, 1e-12);
}

TEST(ChanceLevelTest, OfNumbersItIsTheirVariance) {
  const std::vector<float> one = {1, 1, 3, 3}, two = {1, 0, 1, 0, 3, 0, 3, 4};
  EXPECT_NEAR(level_of("mse", 1, records_of(0, 1, {.values = one}))->loss, 1, 1e-12);
  EXPECT_NEAR(level_of("mse", 2, records_of(0, 2, {.values = two}))->loss, (1 + 3) / 2.0, 1e-12);
}

TEST(ChanceLevelTest, WhatIsNotKnownExactlyIsNotSaid) {
  const data::Records records = records_of(2, 0, {.labels = kLabels});
  EXPECT_FALSE(level_of("categorical_crossentropy(label_smoothing=0.1)", 2, records));
  EXPECT_FALSE(level_of("categorical_focal_crossentropy", 2, records));
  EXPECT_FALSE(level_of("categorical_crossentropy", 2, records, {}, "l2"));
  const std::vector<int32_t> same = {1, 1, 1, 1};
  EXPECT_FALSE(level_of("categorical_crossentropy", 2, records_of(2, 0, {.labels = same})));
}

}  // namespace
}  // namespace sluice::train
