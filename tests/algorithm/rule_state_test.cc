// What rules keep goes with their elements, however shards are cut.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "algorithm/algorithm.h"
#include "sluice/optimizers.h"

namespace sluice::algorithm {
namespace {

constexpr size_t kSize = 96, kCut = 50;

// A piece of the parameters with its rule.
struct Cut {
  Cut(const std::string& text, size_t its_offset, size_t size)
      : offset(its_offset), rule(make_shard_rule(text, size, its_offset).update), values(size) {}

  void push(const std::vector<float>& update, const PushContext& context) {
    const auto its = std::span(update).subspan(offset, values.size());
    std::vector<float> result(values.size());
    const bool publishes = rule->begin(context);
    rule->apply(values, its, publishes ? std::span(result) : std::span<float>(), 0, context);
    if (publishes) values = std::move(result);
  }

  size_t offset;
  std::unique_ptr<UpdateRule> rule;
  std::vector<float> values;
};

// As another piece: some elements of one, or of two.
Cut cut_from(const std::string& text, const std::vector<const Cut*>& from, size_t offset,
             size_t size) {
  Cut cut(text, offset, size);
  std::vector<std::vector<float>> floats;
  RuleState state;
  cut.values.clear();
  for (const Cut* one : from) {
    const size_t begin = std::max(offset, one->offset) - one->offset;
    const size_t end = std::min(offset + size, one->offset + one->values.size()) - one->offset;
    cut.values.insert(cut.values.end(), one->values.begin() + static_cast<ptrdiff_t>(begin),
                      one->values.begin() + static_cast<ptrdiff_t>(end));
    const std::optional<RuleState> its = one->rule->state();
    EXPECT_TRUE(its);
    floats.resize(its->floats.size());
    for (size_t i = 0; i < floats.size(); ++i) {
      if (its->floats[i].empty()) continue;
      EXPECT_EQ(its->floats[i].size(), one->values.size());
      const auto part = its->floats[i].subspan(begin, end - begin);
      floats[i].insert(floats[i].end(), part.begin(), part.end());
    }
    state.numbers = its->numbers;
  }
  for (const auto& one : floats) state.floats.emplace_back(one);
  cut.rule->restore(state);
  return cut;
}

class RuleStateTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

// After any number of pushes two pieces of what was one go on as that would, and what is put
// together again does.
TEST_P(RuleStateTest, GoesWithItsElements) {
  const auto& [algorithm, optimizer] = GetParam();
  const OptimizerSpec spec = optimizer == "adam" ? OptimizerSpec(Adam({.learning_rate = 0.01f}))
                                                 : SGD({.learning_rate = 0.1f, .momentum = 0.9f});
  const std::string text = Choice(algorithm).to_update_rule(spec, {{10, 7}, {48, 5}});
  for (int before = 0; before < 9; ++before) {
    std::mt19937 chance(7);
    std::normal_distribution<float> normal;
    Cut whole(text, 0, kSize);
    std::optional<Cut> left, right, joined;
    for (int n = 0; n < 24; ++n) {
      std::vector<float> update(kSize);
      for (float& u : update) u = normal(chance);
      PushContext context{.version = n, .staleness = n % 3, .steps = 1 + n % 4, .steps_before = n};
      context.workers = 3;
      context.learning_rate = n < 5 ? 0.5 : 0.25;
      context.closes = n % 3 == 2;
      if (n == before) {
        left.emplace(cut_from(text, {&whole}, 0, kCut));
        right.emplace(cut_from(text, {&whole}, kCut, kSize - kCut));
      }
      if (n == before + 5) joined.emplace(cut_from(text, {&*left, &*right}, 0, kSize));
      for (Cut* cut : {&whole, left ? &*left : nullptr, right ? &*right : nullptr,
                       joined ? &*joined : nullptr}) {
        if (cut != nullptr) cut->push(update, context);
      }
    }
    std::vector<float> both = left->values;
    both.insert(both.end(), right->values.begin(), right->values.end());
    EXPECT_EQ(both, whole.values) << "cut after " << before << " pushes";
    EXPECT_EQ(joined->values, whole.values) << "cut and joined after " << before << " pushes";
  }
}

// They come over the network.
TEST_P(RuleStateTest, NumbersThatAreNoCountsAreRefused) {
  const auto& [algorithm, optimizer] = GetParam();
  const OptimizerSpec spec = optimizer == "adam" ? OptimizerSpec(Adam()) : SGD();
  const std::string text = Choice(algorithm).to_update_rule(spec, {});
  const Cut whole(text, 0, kSize);
  const std::optional<RuleState> its = whole.rule->state();
  ASSERT_TRUE(its);
  for (const double number : {std::nan(""), 1e300, -1.0, 0.5}) {
    RuleState state = *its;
    for (double& one : state.numbers) one = number;
    const auto restore = [&] { Cut(text, 0, kSize).rule->restore(state); };
    if (state.numbers.empty()) {
      restore();
    } else {
      EXPECT_THROW(restore(), std::invalid_argument) << number;
    }
  }
}

// Keeps nothing, or does not say so.
class Forgetful final : public UpdateRule {
 public:
  bool begin(const PushContext&) override { return true; }
  void apply(std::span<const float>, std::span<const float>, std::span<float>, size_t,
             const PushContext&) override {}
};

TEST(UpdateRuleTest, ARuleThatDoesNotGoOnFromWhatItKeepsSaysSo) {
  Forgetful rule;
  EXPECT_FALSE(rule.state());
  rule.restore({});
  EXPECT_THROW(rule.restore({{}, {1}}), std::logic_error);
  EXPECT_THROW(rule.restore({{std::span<const float>()}, {}}), std::logic_error);
}

std::vector<std::pair<std::string, std::string>> all_rules() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& name : algorithm_names()) {
    for (const char* optimizer : {"sgd", "adam"}) all.emplace_back(name, optimizer);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, RuleStateTest, ::testing::ValuesIn(all_rules()),
                         [](const auto& one) { return one.param.first + "_" + one.param.second; });

}  // namespace
}  // namespace sluice::algorithm
