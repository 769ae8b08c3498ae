#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "optim/optimizer.h"

namespace sluice {
namespace {

using testing::HasSubstr;

TEST(OptimizerSpecTest, NamesGiveKerasDefaultsInAnyLetterCase) {
  EXPECT_EQ(OptimizerSpec("SGD"), SGD({.learning_rate = 0.01f, .momentum = 0, .nesterov = false}));
  EXPECT_EQ(OptimizerSpec("RMSprop"), RMSprop({.learning_rate = 0.001f,
                                               .rho = 0.9f,
                                               .momentum = 0,
                                               .epsilon = 1e-7f,
                                               .centered = false}));
  EXPECT_EQ(
      OptimizerSpec("AdaGrad"),
      Adagrad({.learning_rate = 0.001f, .initial_accumulator_value = 0.1f, .epsilon = 1e-7f}));
  EXPECT_EQ(OptimizerSpec("ADAM"),
            Adam({.learning_rate = 0.001f, .beta_1 = 0.9f, .beta_2 = 0.999f, .epsilon = 1e-7f}));
  EXPECT_EQ(OptimizerSpec("Adam").name, "adam");
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(OptimizerSpecTest, UnknownNameSaysWhatThereIs) {
  EXPECT_EQ(message_of([] { OptimizerSpec("lamb"); }),
            "optimizer \"lamb\": use \"sgd\", \"rmsprop\", \"adagrad\" or \"adam\"");
}

TEST(OptimizerSpecTest, ValidateNamesTheField) {
  EXPECT_EQ(message_of([] { optim::validate(Adam({.beta_2 = 1})); }),
            "optimizer \"adam\": beta_2 = 1: must be at least 0 and less than 1");
  EXPECT_THAT(message_of([] { optim::validate(Adam({.beta_1 = -0.1f})); }), HasSubstr("beta_1"));
  EXPECT_THAT(message_of([] { optim::validate(SGD({.learning_rate = -1})); }),
              HasSubstr("learning_rate"));
  EXPECT_THAT(message_of([] { optim::validate(SGD({.momentum = 1.5f})); }), HasSubstr("momentum"));
  EXPECT_THAT(message_of([] { optim::validate(RMSprop({.rho = 2})); }), HasSubstr("rho"));
  EXPECT_THAT(message_of([] { optim::validate(RMSprop({.epsilon = -1})); }), HasSubstr("epsilon"));
  EXPECT_THAT(message_of([] { optim::validate(Adagrad({.initial_accumulator_value = -1})); }),
              HasSubstr("initial_accumulator_value"));
  EXPECT_THAT(message_of([] {
                optim::validate(SGD({.learning_rate = std::numeric_limits<float>::quiet_NaN()}));
              }),
              HasSubstr("learning_rate"));
}

TEST(OptimizerSpecTest, FieldsOfOtherOptimizersAreIgnored) {
  OptimizerSpec spec = SGD();
  spec.beta_1 = 7;
  spec.rho = -1;
  EXPECT_NO_THROW(optim::validate(spec));
}

}  // namespace
}  // namespace sluice
