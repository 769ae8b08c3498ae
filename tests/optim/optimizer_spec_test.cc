#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
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
  EXPECT_EQ(message_of([] { OptimizerSpec("lars"); }),
            "optimizer \"lars\": use \"sgd\", \"rmsprop\", \"adagrad\", \"adadelta\", \"adam\", "
            "\"adamw\", \"adamax\", \"nadam\", \"lion\" or \"ftrl\"");
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

TEST(OptimizerSpecTest, ValidateKnowsWhatAllOptimizersHave) {
  EXPECT_THAT(message_of([] { optim::validate(SGD({.weight_decay = -1})); }),
              HasSubstr("weight_decay = -1: must be finite and at least 0"));
  EXPECT_THAT(message_of([] { optim::validate(SGD({.ema_momentum = 2})); }),
              HasSubstr("ema_momentum"));
  EXPECT_THAT(message_of([] { optim::validate(SGD({.ema_overwrite_frequency = -1})); }),
              HasSubstr("ema_overwrite_frequency"));
  EXPECT_EQ(message_of([] { optim::validate(SGD({.clipnorm = 1, .clipvalue = 1})); }),
            "optimizer \"sgd\": only one of clipnorm, clipvalue and global_clipnorm may be set");
  EXPECT_EQ(message_of([] { optim::validate("sgd(learning_rate=cosinedecay)"); }),
            "optimizer \"sgd\": learning_rate: CosineDecay: needs initial_learning_rate");
  EXPECT_THAT(message_of([] {
                optim::validate(SGD({.learning_rate = ExponentialDecay(
                                         {.initial_learning_rate = 1e300, .decay_steps = 1})}));
              }),
              HasSubstr("initial_learning_rate = 1e+300: must be finite"));
  EXPECT_THAT(message_of([] { optim::validate(SGD({.learning_rate = CosineDecay({})})); }),
              HasSubstr("learning_rate: CosineDecay: decay_steps = 0: must be finite and above 0"));
}

TEST(OptimizerSpecTest, HyperparametersOfOthersAreRefused) {
  OptimizerSpec spec = SGD();
  spec.hyperparameters["beta_1"] = 0.5f;
  EXPECT_EQ(message_of([&] { optim::validate(spec); }), "optimizer \"sgd\": has no beta_1");
}

TEST(OptimizerSpecTest, TheDefaultIsSgd) { EXPECT_EQ(OptimizerSpec(), SGD()); }

TEST(OptimizerSpecTest, ATextMayHaveArguments) {
  EXPECT_EQ(OptimizerSpec("AdamW(weight_decay=0.01, beta_2 = 0.99)"),
            AdamW({.weight_decay = 0.01f, .beta_2 = 0.99f}));
  EXPECT_EQ(OptimizerSpec("sgd()"), SGD());
  EXPECT_EQ(OptimizerSpec("rmsprop(centered=True,clipnorm=1e-1,weight_decay=None)"),
            RMSprop({.centered = true, .clipnorm = 0.1f}));
  EXPECT_EQ(OptimizerSpec("adam(use_ema=true, ema_overwrite_frequency=100)"),
            Adam({.use_ema = true, .ema_overwrite_frequency = 100}));
  EXPECT_EQ(
      OptimizerSpec("adam(learning_rate=CosineDecay(initial_learning_rate=0.1, "
                    "decay_steps=900))"),
      Adam({.learning_rate = CosineDecay({.initial_learning_rate = 0.1, .decay_steps = 900})}));
  EXPECT_EQ(OptimizerSpec("sgd(learning_rate=PiecewiseConstantDecay(boundaries=[2, 4], "
                          "values=(1,\t0.5, 0.1)))"),
            SGD({.learning_rate =
                     PiecewiseConstantDecay({.boundaries = {2, 4}, .values = {1, 0.5, 0.1}})}));
}

TEST(OptimizerSpecTest, NamesInATextMayBeQuoted) {
  const OptimizerSpec expected =
      AdamW({.weight_decay = 0.01f, .exclude_from_weight_decay = {"bias", "dense_1/kernel"}});
  EXPECT_EQ(OptimizerSpec("adamw(exclude_from_weight_decay=['bias', \"dense_1/kernel\"], "
                          "weight_decay=0.01)"),
            expected);
  EXPECT_EQ(OptimizerSpec("sgd(exclude_from_weight_decay=[bias,gamma])"),
            SGD({.exclude_from_weight_decay = {"bias", "gamma"}}));
  EXPECT_EQ(OptimizerSpec("sgd(exclude_from_weight_decay='bias')"),
            SGD({.exclude_from_weight_decay = {"bias"}}));
}

// Keras searches the variable's own name for its `var_names`, and compares those of `var_list`.
TEST(OptimizerSpecTest, WeightDecayLeavesOutPartsOfOwnNamesAndWholeNames) {
  const auto is_undecayed = [](const char* name, const char* variable) {
    return optim::is_undecayed(SGD({.exclude_from_weight_decay = {"other", name}}), variable);
  };
  EXPECT_TRUE(is_undecayed("bias", "dense/bias"));
  EXPECT_TRUE(is_undecayed("kernel", "separable/depthwise_kernel"));
  EXPECT_TRUE(is_undecayed("inner/dense/kernel", "inner/dense/kernel"));
  EXPECT_FALSE(is_undecayed("bias", "biased/kernel"));
  EXPECT_FALSE(is_undecayed("dense/kernel", "inner/dense/kernel"));
  EXPECT_FALSE(is_undecayed("inner", "inner/dense/kernel"));
  EXPECT_FALSE(optim::is_undecayed(SGD(), "dense/bias"));
  EXPECT_THAT(message_of([] { optim::validate(SGD({.exclude_from_weight_decay = {""}})); }),
              HasSubstr("exclude_from_weight_decay: expected names or parts of names"));
}

TEST(OptimizerSpecTest, WhatIsWrongWithATextIsSaid) {
  const auto error = [](const char* text) {
    return message_of([text] { OptimizerSpec spec(text); });
  };
  EXPECT_EQ(error("adam(beta_1=0.9"),
            "\"adam(beta_1=0.9\": expected \",\" or \")\" at character 16");
  EXPECT_EQ(error("adam(0.9)"), "\"adam(0.9)\": expected ARGUMENT=VALUE at character 6");
  EXPECT_EQ(error("adam(beta_1)"), "\"adam(beta_1)\": expected ARGUMENT=VALUE at character 12");
  EXPECT_THAT(error("adam() x"), HasSubstr("expected the end"));
  EXPECT_THAT(error("adam(beta_1=)"), HasSubstr("expected a number"));
  EXPECT_THAT(error("sgd(exclude_from_weight_decay=['bias)"), HasSubstr("text without an end"));
  EXPECT_THAT(error("sgd(exclude_from_weight_decay=['\xff'])"), HasSubstr("no UTF-8"));
  EXPECT_THAT(error("sgd(exclude_from_weight_decay=[1])"), HasSubstr("must be a list of names"));
  EXPECT_THAT(error("sgd(exclude_from_weight_decay=[a(b=1)])"), HasSubstr("a list of names"));
  EXPECT_THAT(error("adam(beta_1=0.5, beta_1=0.5)"), HasSubstr("\"beta_1\" is given twice"));
  EXPECT_THAT(error("adam(beta_1=1e400)"), HasSubstr("too large or too small at character 13"));
  EXPECT_THAT(error("adam(beta_1=1e300)"), HasSubstr("must be a number that fits into float32"));
  EXPECT_THAT(error("(x=1)"), HasSubstr("expected a name"));
  EXPECT_THAT(error("adam(beta_3=0.5)"), HasSubstr("has no argument \"beta_3\""));
  EXPECT_THAT(error("adam(beta_1=true)"), HasSubstr("must be a number"));
  EXPECT_THAT(error("adam(learning_rate=Cosine(x=1))"), HasSubstr("use ExponentialDecay"));
  EXPECT_EQ(error("adam(learning_rate=fast)"),
            "optimizer \"adam\": \"learning_rate\" must be a number or a schedule, got \"fast\"");
  const std::string brackets(100'000, '[');
  EXPECT_THAT(error(("adam(beta_1=" + brackets).c_str()), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace sluice
