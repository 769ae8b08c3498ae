#include <gmock/gmock.h>

#include "algorithm/algorithm.h"

namespace sluice::algorithm {
namespace {

constexpr int64_t kEpochSteps = 9;  // which most rules do not ask for

std::unique_ptr<WorkerRule> make(const std::string& trainer, int64_t window) {
  return Choice(trainer).set("window", window).worker_rule();
}

TEST(WorkerRuleTest, AdagPushesAfterEveryWindowAndDividesByIt) {
  const auto rule = make("adag", 4);
  EXPECT_EQ(rule->push_end(1, kEpochSteps), 4);
  EXPECT_EQ(rule->push_end(2, kEpochSteps), 8);
  EXPECT_EQ(rule->update_scale(4), 0.25f);
}

TEST(WorkerRuleTest, AdagDividesAShorterLastWindowByItsOwnSteps) {
  const auto rule = make("adag", 4);
  EXPECT_EQ(rule->update_scale(2), 0.5f);
}

TEST(WorkerRuleTest, DownpourPushesTheWholeDeltaOneStepBeforeTheWindowIsFull) {
  const auto rule = make("downpour", 4);
  EXPECT_EQ(rule->push_end(0, kEpochSteps), 0);
  EXPECT_EQ(rule->push_end(1, kEpochSteps), 3);
  EXPECT_EQ(rule->push_end(2, kEpochSteps), 7);
  EXPECT_EQ(rule->update_scale(3), 1.0f);
  EXPECT_EQ(make("adag", 1)->update_scale(0), 1.0f) << "an empty window is no division by zero";
}

// Dist-Keras: floor(T / W) commits for T steps; here the tail is pushed too.
TEST(WorkerRuleTest, PushesAreTheDueOnesAndOneForTheTail) {
  const auto adag = make("adag", 5);
  EXPECT_EQ(adag->pushes(0, kEpochSteps), 0);
  EXPECT_EQ(adag->pushes(4, kEpochSteps), 1);
  EXPECT_EQ(adag->pushes(5, kEpochSteps), 1);
  EXPECT_EQ(adag->pushes(6, kEpochSteps), 2);
  EXPECT_EQ(adag->pushes(6250, kEpochSteps), 1250) << "a third of the MNIST job's 3,750";
  const auto downpour = make("downpour", 5);
  EXPECT_EQ(downpour->pushes(3, kEpochSteps), 1);
  EXPECT_EQ(downpour->pushes(4, kEpochSteps), 1);
  EXPECT_EQ(downpour->pushes(9, kEpochSteps), 2);
  EXPECT_EQ(downpour->pushes(10, kEpochSteps), 3);
  EXPECT_EQ(make("downpour", 1)->pushes(3, kEpochSteps), 4)
      << "the first push of window 1 is empty";
}

TEST(WorkerRuleTest, AveragingPushesOnceAnEpochOfWhateverLength) {
  const auto rule = Choice("averaging").worker_rule();
  EXPECT_EQ(rule->push_end(1, 9), 9);
  EXPECT_EQ(rule->push_end(2, 9), 18);
  EXPECT_EQ(rule->push_end(2, 1), 2);
  EXPECT_EQ(rule->pushes(3 * 9, 9), 3);
  EXPECT_EQ(rule->pushes(0, 0), 0) << "a partition without records";
}

TEST(WorkerRuleTest, DeltaRulesTrainLocally) {
  EXPECT_TRUE(make("adag", 5)->trains_locally());
  EXPECT_TRUE(make("downpour", 5)->trains_locally());
}

TEST(WorkerRuleTest, AsyncSgdPushesTheMeanGradientOfItsWindow) {
  const auto rule = make("async_sgd", 2);
  EXPECT_FALSE(rule->trains_locally());
  EXPECT_EQ(rule->update_scale(2), 0.5f);
  EXPECT_EQ(rule->update_scale(1), 1.0f);
}

TEST(WorkerRuleTest, UnknownTrainerListsTheKnownOnes) {
  try {
    make("easgd", 5);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(),
                ::testing::StartsWith("unknown trainer \"easgd\": use one of adag, downpour, "));
  }
  EXPECT_THROW(make("adag", 0), std::invalid_argument);
}

// Of a program's own, which could not be counted otherwise.
TEST(WorkerRuleTest, PushesThatDoNotRiseAreRefused) {
  struct Stuck final : WorkerRule {
    explicit Stuck(int64_t at) : WorkerRule(5), at_(at) {}
    int64_t push_end(int64_t, int64_t) const override { return at_; }
    int64_t at_;
  };
  EXPECT_THROW((void)Stuck(0).pushes(100, 100), std::invalid_argument);
  EXPECT_THROW((void)Stuck(-3).pushes(100, 100), std::invalid_argument);
  EXPECT_THROW((void)Stuck(1000).pushes(100, 100), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::algorithm
