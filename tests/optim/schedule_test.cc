#include "optim/schedule.h"

#include <gmock/gmock.h>

#include <functional>
#include <stdexcept>

namespace sluice::optim {
namespace {

std::string message_of(const LearningRate& rate) {
  try {
    validate(rate);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(ScheduleTest, ANumberStaysWhatItIs) {
  EXPECT_EQ(rate_at(0.25, 0), 0.25);
  EXPECT_EQ(rate_at(0.25, 1'000'000), 0.25);
}

// Beside what tests/keras compares with Keras: by hand, where a period begins.
TEST(ScheduleTest, RestartsBeginExactlyWhereAPeriodEnds) {
  const LearningRate rate = CosineDecayRestarts(
      {.initial_learning_rate = 1, .first_decay_steps = 4, .t_mul = 1.5, .m_mul = 0.5});
  EXPECT_DOUBLE_EQ(rate_at(rate, 2), 0.5);
  EXPECT_DOUBLE_EQ(rate_at(rate, 4), 0.5);    // 4
  EXPECT_DOUBLE_EQ(rate_at(rate, 10), 0.25);  // 4 + 6
  EXPECT_DOUBLE_EQ(rate_at(rate, 19), 0.125);
}

TEST(ScheduleTest, MistakesAreNamed) {
  EXPECT_EQ(message_of(ExponentialDecay({.initial_learning_rate = 1, .decay_steps = 0})),
            "ExponentialDecay: decay_steps = 0: must be finite and above 0");
  EXPECT_EQ(message_of(PiecewiseConstantDecay({.boundaries = {1, 2}, .values = {1, 2}})),
            "PiecewiseConstantDecay: 2 boundaries need 3 values, got 2");
  EXPECT_EQ(message_of(PiecewiseConstantDecay({.boundaries = {2, 1}, .values = {1, 2, 3}})),
            "PiecewiseConstantDecay: boundaries must ascend");
  LearningRate without = CosineDecay({.decay_steps = 3});
  without.parameters.erase("decay_steps");
  EXPECT_EQ(message_of(without), "CosineDecay: needs decay_steps");
  without.parameters["decay_steps"] = {1, 2};
  EXPECT_EQ(message_of(without), "CosineDecay: decay_steps is one number");
  without.schedule = "Nothing";
  EXPECT_THAT(message_of(without), testing::HasSubstr("use ExponentialDecay"));
}

}  // namespace
}  // namespace sluice::optim
