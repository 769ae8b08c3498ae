// Each algorithm's rule against a scalar model: values computed by hand from the formulas in the
// papers, or published with them, step by step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "algorithm/algorithm.h"

namespace sluice::algorithm {
namespace {

using ::testing::DoubleNear;
using ::testing::Pointwise;

// One parameter at a server.
class Centre {
 public:
  Centre(const Choice& choice, float start, const OptimizerSpec& optimizer = "sgd")
      : rule_(make_shard_rule(choice.to_update_rule(optimizer), 1)), value_(start) {}

  // The value after a push; NAN where none came of it.
  float push(float update, PushContext context = {}) {
    context.version = version_++;
    if (context.steps == 0) context.steps = 1;
    const std::vector<float> old{value_}, given{update};
    std::vector<float> result{NAN};
    const bool publishes = rule_.update->begin(context);
    rule_.update->apply(old, context.has_update ? std::span(given) : std::span<const float>(),
                        publishes ? std::span(result) : std::span<float>(), 0, context);
    if (publishes) value_ = result[0];
    return publishes ? value_ : NAN;
  }
  // A round of so many workers, each with its own update.
  float round(const std::vector<float>& updates, PushContext context = {}) {
    context.workers = static_cast<int>(updates.size());
    for (size_t i = 0; i < updates.size(); ++i) {
      context.closes = i + 1 == updates.size();
      push(updates[i], context);
    }
    return value_;
  }
  float value() const { return value_; }

 private:
  ShardRule rule_;
  float value_;
  int64_t version_ = 0;
};

// With each update as the descent sign's D, as the papers have it.
std::vector<double> values_after(Centre centre, const std::vector<float>& ds,
                                 PushContext context = {}) {
  std::vector<double> values;
  for (const float d : ds) values.push_back(centre.push(-d, context));
  return values;
}
std::vector<double> values_of_rounds(Centre centre, const std::vector<float>& ds) {
  std::vector<double> values;
  for (const float d : ds) values.push_back(centre.round({-d}));
  return values;
}

Choice with(const char* name, const std::vector<std::pair<std::string, OptionValue>>& options) {
  Choice choice(name);
  for (const auto& [option, value] : options) choice.set(option, value);
  return choice;
}

TEST(PublishedRulesTest, AdagAndDownpourAddWhatTheyAreGiven) {
  for (const char* name : {"adag", "downpour"}) {
    EXPECT_EQ(Centre(name, 1).push(0.25f), 1.25f) << name;
  }
}

// M workers move a centre by M / W with ADAG, by M with DOWNPOUR; above 1 that is scaled down.
TEST(PublishedRulesTest, TheGainIsBoundedForTheWorkersThatAreThere) {
  PushContext thirty;
  thirty.workers = 30;
  EXPECT_FLOAT_EQ(Centre("adag", 0).push(6, thirty), 1);  // 30 / 5 = 6
  EXPECT_FLOAT_EQ(Centre("downpour", 0).push(6, thirty), 0.2f);
  EXPECT_FLOAT_EQ(Centre(with("adag", {{"bound_gain", false}}), 0).push(6, thirty), 6);
  EXPECT_DOUBLE_EQ(Choice("adag").gain().of(30), 6);
  EXPECT_DOUBLE_EQ(Choice("downpour").gain().of(30), 30);
  PushContext three;
  three.workers = 3;
  EXPECT_EQ(Centre("adag", 0).push(6, three), 6);  // 3 / 5: as published
}

TEST(PublishedRulesTest, AsyncSgdTakesShorterStepsWithMoreWorkers) {
  PushContext four;
  four.workers = 4;
  OptimizerSpec sgd("sgd");
  sgd.learning_rate = 0.5;
  EXPECT_FLOAT_EQ(Centre("async_sgd", 1, sgd).push(2), 0);
  EXPECT_FLOAT_EQ(Centre("async_sgd", 1, sgd).push(2, four), 0.75f);
}

// theta + delta / (tau + 1).
TEST(PublishedRulesTest, DynSgdDividesByStaleness) {
  PushContext context;
  context.staleness = 3;
  EXPECT_FLOAT_EQ(Centre("dynsgd", 1).push(2, context), 1.5f);
  context.staleness = 0;
  EXPECT_FLOAT_EQ(Centre("dynsgd", 1).push(2, context), 3);
}

// theta~ + alpha (theta - theta~).
TEST(PublishedRulesTest, ElasticAveragingMovesTheCentreTowardsTheWorker) {
  for (const char* name : {"aeasgd", "eamsgd"}) {
    const Choice choice = with(name, {{"moving_rate", 0.25}});
    EXPECT_FLOAT_EQ(Centre(choice, 1).push(3), 1.5f) << name;
    EXPECT_EQ(choice.worker_rule()->pull_rate(), 0.25f);
    EXPECT_TRUE(choice.algorithm->answers_with_old);
  }
}

TEST(PublishedRulesTest, EamsgdStepsWithNesterovsMomentumAndTakesPlainSgdOnly) {
  const OptimizerSpec worker = Choice("eamsgd").worker_optimizer("sgd");
  EXPECT_EQ(worker.hyperparameters.at("momentum"), 0.9f);
  EXPECT_EQ(worker.hyperparameters.at("nesterov"), 1);
  EXPECT_THROW((void)Choice("eamsgd").worker_optimizer("adam"), std::invalid_argument);
}

// g + lambda g^2 (theta - a) = 2 + 0.5 * 4 * (3 - 1) = 6, and SGD at rate 0.1.
TEST(PublishedRulesTest, DcAsgdMakesUpForTheDelay) {
  OptimizerSpec sgd("sgd");
  sgd.learning_rate = 0.1;
  const Choice choice = with("dc_asgd", {{"lambda", 0.5}});
  const std::vector<float> base{1};
  PushContext context;
  context.base = base;
  EXPECT_FLOAT_EQ(Centre(choice, 3, sgd).push(2, context), 2.4f);
  EXPECT_FLOAT_EQ(Centre(choice, 3, sgd).push(2), 2.8f) << "no base: as it is";
}

// d = 1 / ((3 - 1)^2 / 2 + 1) = 1 / 3.
TEST(PublishedRulesTest, ExperimentalAddsLessWhereTheCentreHasMoved) {
  const Choice choice = with("experimental", {{"distance_rate", 2.0}});
  const std::vector<float> base{1};
  PushContext context;
  context.base = base;
  EXPECT_FLOAT_EQ(Centre(choice, 3).push(3, context), 4);
  EXPECT_FLOAT_EQ(Centre(choice, 3).push(3), 6) << "no base: all of it";
}

TEST(PublishedRulesTest, SingleIsWhatItsWorkerHas) { EXPECT_EQ(Centre("single", 1).push(7), 7); }

// The mean of 1 and 3 at rate 0.5, once both are there.
TEST(PublishedRulesTest, SynchronousStepsOnTheMeanGradientOfARound) {
  OptimizerSpec sgd("sgd");
  sgd.learning_rate = 0.5;
  Centre centre("synchronous", 0, sgd);
  EXPECT_TRUE(std::isnan(centre.push(1)));
  PushContext closing;
  closing.closes = true;
  EXPECT_FLOAT_EQ(centre.push(3, closing), -1);
  EXPECT_FLOAT_EQ(centre.round({4, 0}), -2) << "the round before is forgotten";
}

// A round may end without another push, as when its last worker dies; one without any is none.
TEST(PublishedRulesTest, ARoundEndsWithWhatItHas) {
  Centre centre("local_sgd", 1);
  PushContext ending;
  ending.closes = true;
  ending.has_update = false;
  EXPECT_TRUE(std::isnan(centre.push(0, ending)));
  centre.push(2);
  EXPECT_EQ(centre.push(0, ending), 3);
}

// Weighted by mini-batches: (4 * 1 + 1 * 6) / 5 = 2.
TEST(PublishedRulesTest, LocalSgdIsTheMeanOfTheWorkersWeights) {
  Centre centre("local_sgd", 10);
  PushContext context;
  context.steps = 4;
  centre.push(1, context);
  context.steps = 1;
  context.closes = true;
  EXPECT_FLOAT_EQ(centre.push(6, context), 12);
}

// local-sgd: golden vectors of Nesterov's outer step, x0 = 0.
TEST(PublishedRulesTest, DiLoCoIsNesterovOverRounds) {
  const Choice choice = with("diloco", {{"outer_learning_rate", 1.0}, {"outer_momentum", 0.9}});
  EXPECT_THAT(values_of_rounds(Centre(choice, 0), {1, 1, 1}),
              Pointwise(DoubleNear(1e-6), {-1.9, -4.61, -8.049}));
}

TEST(PublishedRulesTest, DiLoCoTakesTheMeanOfARound) {
  const Choice choice = with("diloco", {{"outer_learning_rate", 1.0}, {"outer_momentum", 0.0}});
  EXPECT_FLOAT_EQ(Centre(choice, 0).round({1, 2, 6}), 3);
}

TEST(PublishedRulesTest, DelayedNesterovEqualsNesterovAtEveryNthPush) {
  const Choice choice =
      with("async_diloco",
           {{"outer_learning_rate", 1.0}, {"outer_momentum", 0.9}, {"momentum_delay", int64_t{3}}});
  EXPECT_THAT(values_after(Centre(choice, 0), {1, 1, 1, 1, 1, 1}),
              Pointwise(DoubleNear(1e-5), {-.333333, -.666667, -1.9, -2.233333, -2.566667, -4.61}));
  const Choice slower =
      with("async_diloco",
           {{"outer_learning_rate", 0.7}, {"outer_momentum", 0.9}, {"momentum_delay", int64_t{3}}});
  EXPECT_THAT(values_after(Centre(slower, 0), {3, 0, -1, 1, 2, 0}),
              Pointwise(DoubleNear(1e-5), {-.7, -.7, -.886667, -1.12, -1.586667, -2.594667}));
}

// With N = 1 it is Nesterov; with more workers than N, N is the workers.
TEST(PublishedRulesTest, DelayedNesterovFollowsTheWorkers) {
  const Choice choice =
      with("async_diloco", {{"outer_learning_rate", 1.0}, {"outer_momentum", 0.9}});
  EXPECT_THAT(values_after(Centre(choice, 0), {1, 1, 1}),
              Pointwise(DoubleNear(1e-5), {-1.9, -4.61, -8.049}));
  PushContext three;
  three.workers = 3;
  EXPECT_THAT(values_after(Centre(choice, 0), {1, 1, 1}, three),
              Pointwise(DoubleNear(1e-5), {-.333333, -.666667, -1.9}));
}

TEST(PublishedRulesTest, FedOptHasItsPapersSteps) {
  const auto of = [](const char* name, double beta_1) {
    const Choice choice =
        with("fedopt",
             {{"server_optimizer", Word(name)}, {"outer_learning_rate", 0.1}, {"beta_1", beta_1}});
    return values_of_rounds(Centre(choice, 0), {-1, .5f, -.25f});
  };
  EXPECT_THAT(of("adam", 0.9), Pointwise(DoubleNear(1e-6), {.099005, .134605, .1878397}));
  EXPECT_THAT(of("yogi", 0.9), Pointwise(DoubleNear(1e-6), {.099005, .1344635, .187246}));
  EXPECT_THAT(of("adagrad", 0), Pointwise(DoubleNear(1e-6), {.0999, .0552187, .0770214}));
}

TEST(PublishedRulesTest, SlowMoKeepsItsMomentumInUnitsOfGradients) {
  Centre centre("slowmo", 1);
  std::vector<double> values;
  for (const double rate : {0.1, 0.1, 0.05}) {
    PushContext context;
    context.learning_rate = rate;
    values.push_back(centre.round({-0.6f}, context));
  }
  EXPECT_THAT(values, Pointwise(DoubleNear(1e-6), {.4, -.5, -1.325}));
}

// K = 2 and p = 1: B = 4 / (0 / 2 + 1) + 6 / (2 / 2 + 1) = 7, over 2.
TEST(PublishedRulesTest, FedBuffStepsOnEveryKPushesAndKeepsNothingAtTheEnd) {
  const Choice choice = with("fedbuff", {{"buffer_size", int64_t{2}}, {"staleness_exponent", 1.0}});
  Centre centre(choice, 0);
  EXPECT_TRUE(std::isnan(centre.push(4)));
  PushContext old;
  old.staleness = 2;
  EXPECT_FLOAT_EQ(centre.push(6, old), 3.5f);
  PushContext last;
  last.last = true;
  EXPECT_FLOAT_EQ(centre.push(1, last), 4) << "over K, as any";
}

// State of layers: 1 / M of each worker's change, kept with what the rule keeps.
TEST(PublishedRulesTest, StateIsTheMeanOfWhatItsWorkersHave) {
  ShardRule rule = make_shard_rule(Choice("local_sgd").to_update_rule("sgd", {{1, 1}}), 2);
  const std::vector<float> old{0, 10}, first{2, 4}, second{4, 8};
  PushContext context;
  context.workers = 2;
  context.steps = 1;
  ASSERT_FALSE(rule.update->begin(context));
  rule.update->apply(old, first, {}, 0, context);
  context.closes = true;
  std::vector<float> result(2, NAN);
  ASSERT_TRUE(rule.update->begin(context));
  rule.update->apply(old, second, result, 0, context);
  EXPECT_EQ(result, (std::vector<float>{3, 16}));
}

}  // namespace
}  // namespace sluice::algorithm
