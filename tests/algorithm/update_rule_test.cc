#include "sluice/algorithm/update_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/update_rules.h"

namespace sluice::algorithm {
namespace {

using ::testing::StartsWith;

std::vector<float> apply_once(UpdateRule& rule, const std::vector<float>& values,
                              const std::vector<float>& update, size_t block = 1000) {
  std::vector<float> result(values.size(), NAN);
  const PushContext context;
  rule.begin(context);
  for (size_t at = 0; at < values.size(); at += block) {
    const size_t n = std::min(block, values.size() - at);
    rule.apply(std::span(values).subspan(at, n), std::span(update).subspan(at, n),
               std::span(result).subspan(at, n), at, context);
  }
  return result;
}

std::unique_ptr<UpdateRule> make_update_rule(const std::string& text, size_t size,
                                             size_t offset = 0) {
  return make_shard_rule(text, size, offset).update;
}

std::string message_of(const std::string& json) {
  try {
    (void)make_shard_rule(json, 0);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(UpdateRuleTest, AddAddsTheUpdate) {
  const auto rule = make_update_rule(add_rule_json(), 5);
  EXPECT_EQ(apply_once(*rule, {1, 2, 3, 4, 5}, {0.5, -2, 0, 0.25, 100}),
            (std::vector<float>{1.5, 0, 3, 4.25, 105}));
}

// SGD with momentum by hand: m1 = -0.1 * 1, m2 = 0.9 m1 - 0.1 * 1.
TEST(UpdateRuleTest, OptimizerStepsOncePerPushAndKeepsItsState) {
  const auto rule = make_update_rule(
      R"({"name": "async_sgd",
          "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}})",
      2);
  const auto first = apply_once(*rule, {1, -1}, {1, 1});
  EXPECT_FLOAT_EQ(first[0], 0.9f);
  EXPECT_FLOAT_EQ(first[1], -1.1f);
  const auto second = apply_once(*rule, first, {1, 1});
  EXPECT_FLOAT_EQ(second[0], 0.71f);
  EXPECT_FLOAT_EQ(second[1], -1.29f);
}

TEST(UpdateRuleTest, OptimizerStepsWithTheRateOfThePushThatHasOneAndKeepsIt) {
  const auto rule = make_update_rule(
      R"({"name": "async_sgd", "optimizer": {"name": "sgd", "learning_rate": 0.5}})", 1);
  EXPECT_EQ(apply_once(*rule, {8}, {1}), std::vector<float>{7.5f});
  PushContext context;
  context.optimizer_rate = 0.25f;
  rule->begin(context);
  std::vector<float> result(1);
  rule->apply(std::vector<float>{8}, std::vector<float>{1}, result, 0, context);
  EXPECT_EQ(result, std::vector<float>{7.75f});
  EXPECT_EQ(apply_once(*rule, {8}, {1}), std::vector<float>{7.75f});
}

// Of four workers a fourth of the step, times what comes with the push: never more than the step.
TEST(UpdateRuleTest, OptimizerStepsAsFarAsManyWorkersAndThePushSay) {
  for (const auto& [workers, rate_scale, expected] :
       {std::tuple{4, 1.0, 7.875f}, {4, 2.0, 7.75f}, {4, 0.5, 7.9375f}, {1, 2.0, 7.5f}}) {
    const auto rule = make_update_rule(
        R"({"name": "async_sgd", "optimizer": {"name": "sgd", "learning_rate": 0.5}})", 1);
    PushContext context;
    context.workers = workers;
    context.rate_scale = rate_scale;
    rule->begin(context);
    std::vector<float> result(1);
    rule->apply(std::vector<float>{8}, std::vector<float>{1}, result, 0, context);
    EXPECT_EQ(result, std::vector<float>{expected}) << workers << ", " << rate_scale;
  }
}

// Adam's first step is lr * g / (|g| + epsilon'), whatever the gradient's size: about lr each. A
// step counted per block instead of per push would be smaller from the second block on.
TEST(UpdateRuleTest, OptimizerCountsPushesNotBlocks) {
  const auto rule = make_update_rule(optimizer_rule_json(OptimizerSpec("adam")), 100);
  const auto result =
      apply_once(*rule, std::vector<float>(100, 1.0f), std::vector<float>(100, 4.0f), /*block=*/16);
  for (const float value : result) EXPECT_NEAR(value, 1.0f - 0.001f, 1e-6f);
}

TEST(UpdateRuleTest, HyperparametersSurviveTheJson) {
  OptimizerSpec spec("sgd");
  spec.learning_rate = 0.5f;
  const auto rule = make_update_rule(optimizer_rule_json(spec), 1);
  EXPECT_EQ(apply_once(*rule, {3}, {2}), std::vector<float>{2});
}

// Parameters 10 to 17 are the shard, of which 11, 12 and 15 to 17 are not trained; what lies in
// other shards does not matter. SGD at rate 1 subtracts the update, state gets it added.
TEST(UpdateRuleTest, OptimizersLeaveStateAloneWhereverItLiesInAShard) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8}, update{1, 1, 1, 1, 1, 1, 1, 1};
  const std::vector<float> expected{0, 3, 4, 3, 4, 7, 8, 9};
  const std::string text = Choice("async_sgd")
                               .to_update_rule(SGD({.learning_rate = 1}),
                                               {{0, 2}, {5, 5}, {11, 2}, {15, 100}, {200, 1}});
  for (const size_t block : {1, 2, 3, 8}) {
    const auto rule = make_update_rule(text, 8, 10);
    EXPECT_EQ(apply_once(*rule, values, update, block), expected) << block;
  }
}

// Likewise 12 and 15 to 17 are not decayed; the rest is halved before SGD's step.
TEST(UpdateRuleTest, WeightDecayLeavesOutWhatItIsToldWhereverThatLiesInAShard) {
  const std::vector<float> values{2, 4, 6, 8, 10, 12, 14, 16}, update(8, 1);
  const std::vector<float> expected{0, 1, 5, 3, 4, 11, 13, 15};
  const std::string text = Choice("async_sgd")
                               .to_update_rule(SGD({.learning_rate = 1, .weight_decay = 0.5f}), {},
                                               {{0, 2}, {12, 1}, {15, 100}, {200, 1}});
  for (const size_t block : {1, 2, 3, 8}) {
    const auto rule = make_update_rule(text, 8, 10);
    EXPECT_EQ(apply_once(*rule, values, update, block), expected) << block;
  }
}

TEST(UpdateRuleTest, AnUnknownAlgorithmNamesTheKnownOnes) {
  EXPECT_THAT(message_of(R"({"name": "magic", "optimizer": "adam"})"),
              StartsWith("unknown trainer \"magic\": use one of adag, downpour, "));
}

TEST(UpdateRuleTest, TextThatIsNestedTooDeeplyThrows) {
  const std::string brackets(100'000, '[');
  for (const std::string& text :
       {brackets, R"({"name": "adag", "x": )" + brackets + std::string(100'000, ']') + "}"}) {
    EXPECT_EQ(message_of(text), "algorithm: nested more than 64 levels deep");
  }
}

TEST(UpdateRuleTest, TextThatIsNoRuleThrows) {
  for (const char* text :
       {"",
        "adag",
        "[]",
        "{}",
        R"({"name": 3})",
        R"({"name": "adag"})",
        R"({"name": "adag", "optimizer": "adam", "scale": 2})",
        R"({"name": "adag", "optimizer": "adam", "window": 0})",
        R"({"name": "adag", "optimizer": "adam", "window": 2.5})",
        R"({"name": "adag", "optimizer": "adam", "overlap": 1})",
        R"({"name": "adag", "optimizer": "adam", "untrained": 3})",
        R"({"name": "adag", "optimizer": "adam", "untrained": [[0]]})",
        R"({"name": "adag", "optimizer": "adam", "untrained": [[0, -1]]})",
        R"({"name": "adag", "optimizer": "adam", "untrained": [[5, 2], [6, 1]]})",
        R"({"name": "adag", "optimizer": "adam", "undecayed": [[5, 2], [6, 1]]})",
        R"({"name": "adag", "optimizer": "adam", "untrained": [[0, 18446744073709551615]]})",
        R"({"name": "adag", "optimizer": {"name": "sgd", "use_ema": true, "ema_momentum": 2}})",
        R"({"name": "async_sgd", "optimizer": {"name": "nadam9"}})",
        R"({"name": "async_sgd", "optimizer": {"name": "sgd", "learning_rate": "x"}})",
        R"({"name": "async_sgd", "optimizer": {"name": "sgd", "learning_rate": -1}})",
        R"({"name": "async_sgd", "optimizer": {"name": "sgd", "speed": 1}})"}) {
    EXPECT_NE(message_of(text), "") << text;
  }
}

}  // namespace
}  // namespace sluice::algorithm
