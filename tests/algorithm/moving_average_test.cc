#include "algorithm/moving_average.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "algorithm/algorithm.h"

namespace sluice::algorithm {
namespace {

using Values = std::vector<float>;

// Averages of one value after each push.
class OneValue {
 public:
  explicit OneValue(const OptimizerSpec& optimizer) : rule_(optimizer, {}, 0) {}

  // The value becomes `value` by a push of so many mini-batches.
  void push(int32_t steps, float value) {
    rule_.begin({.version = version_++, .steps = steps, .steps_before = steps_});
    steps_ += steps;
    const Values old{average};
    Values values{value}, averages{NAN};
    rule_.apply(values, old, averages, 0);
    now = values[0];
    average = averages[0];
  }

  float now = 0, average = 100;

 private:
  MovingAverage rule_;
  int64_t version_ = 0, steps_ = 0;
};

TEST(MovingAverageTest, APushCountsAsAsManyStepsAsItSumsUp) {
  OneValue one(SGD({.use_ema = true, .ema_momentum = 0.5f}));
  one.push(3, 4);
  EXPECT_EQ(one.average, 4) << "what was there before the first push is no part of it";
  one.push(1, 8);
  EXPECT_EQ(one.average, 6);
  one.push(2, 2);
  EXPECT_EQ(one.average, 0.25f * 6 + 0.75f * 2);
  one.push(0, 100);
  EXPECT_EQ(one.average, 3) << "a push without mini-batches is none";
  EXPECT_EQ(one.now, 100);
}

// As Downpour's first, with a window of 1.
TEST(MovingAverageTest, TheFirstPushIsTheFirstWithAMiniBatch) {
  OneValue one(SGD({.use_ema = true, .ema_momentum = 0.5f}));
  one.push(0, 2);
  one.push(1, 6);
  EXPECT_EQ(one.average, 6);
  one.push(1, 2);
  EXPECT_EQ(one.average, 4);
}

// After 3, 6, 9, ... mini-batches, or where these are passed.
TEST(MovingAverageTest, ValuesBecomeTheirAveragesWhenAMultipleIsReachedOrPassed) {
  OneValue one(SGD({.use_ema = true, .ema_momentum = 0.5f, .ema_overwrite_frequency = 3}));
  one.push(2, 1);
  one.push(1, 3);
  EXPECT_EQ(one.now, 2) << "3";
  one.push(2, 6);
  EXPECT_EQ(one.now, 6) << "5";
  EXPECT_EQ(one.average, 5);
  one.push(2, 1);
  EXPECT_EQ(one.now, 2) << "7";
  EXPECT_EQ(one.average, 2);
  one.push(0, 4);
  EXPECT_EQ(one.now, 4) << "7 still";
}

TEST(MovingAverageTest, TheAverageOfWhatIsNotTrainedIsTheValue) {
  const Values old{10, 20, 30, 40, 50, 60};
  for (const size_t block : {1, 2, 4, 6}) {
    // Parameters 100 to 105, of which 101, 102 and 105 are not trained.
    MovingAverage rule(SGD({.use_ema = true, .ema_momentum = 0.5f, .ema_overwrite_frequency = 1}),
                       {{0, 1}, {101, 2}, {105, 7}}, 100);
    rule.begin({.version = 1, .steps = 1, .steps_before = 1});
    Values values{0, 2, 4, 6, 8, 10}, averages(6, NAN);
    for (size_t at = 0; at < 6; at += block) {
      const size_t n = std::min(block, 6 - at);
      rule.apply(std::span(values).subspan(at, n), std::span(old).subspan(at, n),
                 std::span(averages).subspan(at, n), at);
    }
    const Values expected{5, 2, 4, 23, 29, 10};
    EXPECT_EQ(averages, expected) << block;
    EXPECT_EQ(values, expected) << block;
  }
}

TEST(MovingAverageTest, IsKeptForEveryTrainerThatCanAndOnlyWithUseEma) {
  for (const std::string& trainer : algorithm_names()) {
    const Algorithm& algorithm = find_algorithm(trainer);
    if (algorithm.steps_in_place || algorithm.own_parameters) continue;
    const auto rule_of = [&](const OptimizerSpec& optimizer) {
      return make_shard_rule(Choice(trainer).to_update_rule(optimizer, {{3, 4}}), 8);
    };
    EXPECT_TRUE(rule_of("adam(use_ema=true)").average.has_value()) << trainer;
    EXPECT_FALSE(rule_of("adam").average.has_value()) << trainer;
  }
}

TEST(MovingAverageTest, WhereValuesAreSteppedInPlaceItIsRefused) {
  try {
    Choice("hogwild").to_update_rule("adam(use_ema=true)");
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("use_ema: with hogwild the servers keep no averages"));
  }
}

}  // namespace
}  // namespace sluice::algorithm
