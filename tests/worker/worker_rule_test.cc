#include "worker/worker_rule.h"

#include <gmock/gmock.h>

namespace sluice::worker {
namespace {

using testing::ElementsAre;

std::unique_ptr<WorkerRule> make(const std::string& trainer, int window) {
  wire::TrainingSpec spec;
  spec.trainer = trainer;
  spec.window = window;
  return make_worker_rule(spec);
}

std::vector<float> update_of(WorkerRule& rule, std::vector<float> replica,
                             std::vector<float> anchor, int64_t steps) {
  std::vector<float> update(replica.size());
  rule.make_update(replica, anchor, steps, update);
  return update;
}

TEST(WorkerRuleTest, AdagPushesAfterEveryWindowAndDividesByIt) {
  const auto rule = make("adag", 4);
  EXPECT_EQ(rule->push_end(1), 4);
  EXPECT_EQ(rule->push_end(2), 8);
  EXPECT_THAT(update_of(*rule, {5, 1}, {1, 3}, 4), ElementsAre(1.0f, -0.5f));
}

TEST(WorkerRuleTest, AdagDividesAShorterLastWindowByItsOwnSteps) {
  const auto rule = make("adag", 4);
  EXPECT_THAT(update_of(*rule, {5, 1}, {1, 3}, 2), ElementsAre(2.0f, -1.0f));
}

TEST(WorkerRuleTest, DownpourPushesTheWholeDeltaOneStepBeforeTheWindowIsFull) {
  const auto rule = make("downpour", 4);
  EXPECT_EQ(rule->push_end(0), 0);
  EXPECT_EQ(rule->push_end(1), 3);
  EXPECT_EQ(rule->push_end(2), 7);
  EXPECT_THAT(update_of(*rule, {5, 1}, {1, 3}, 3), ElementsAre(4.0f, -2.0f));
}

// Dist-Keras: floor(T / W) commits for T steps; here the tail is pushed too.
TEST(WorkerRuleTest, PushesAreTheDueOnesAndOneForTheTail) {
  const auto adag = make("adag", 5);
  EXPECT_EQ(adag->pushes(0), 0);
  EXPECT_EQ(adag->pushes(4), 1);
  EXPECT_EQ(adag->pushes(5), 1);
  EXPECT_EQ(adag->pushes(6), 2);
  EXPECT_EQ(adag->pushes(6250), 1250) << "a third of the MNIST job's 3,750";
  const auto downpour = make("downpour", 5);
  EXPECT_EQ(downpour->pushes(3), 1);
  EXPECT_EQ(downpour->pushes(4), 1);
  EXPECT_EQ(downpour->pushes(9), 2);
  EXPECT_EQ(downpour->pushes(10), 3);
  EXPECT_EQ(make("downpour", 1)->pushes(3), 4) << "the first push of window 1 is empty";
}

TEST(WorkerRuleTest, DeltaRulesGoOnFromTheCentreAndTheirOwnPendingPush) {
  for (const char* trainer : {"adag", "downpour"}) {
    const auto rule = make(trainer, 5);
    EXPECT_TRUE(rule->trains_locally());
    std::vector<float> replica(2);
    rule->adopt(std::vector<float>{1, 2}, {}, replica);
    EXPECT_THAT(replica, ElementsAre(1, 2));
    rule->adopt(std::vector<float>{1, 2}, std::vector<float>{0.5f, -0.5f}, replica);
    EXPECT_THAT(replica, ElementsAre(1.5f, 1.5f));
  }
}

TEST(WorkerRuleTest, AsyncSgdPushesTheMeanGradientOfItsWindow) {
  const auto rule = make("async_sgd", 2);
  EXPECT_FALSE(rule->trains_locally());
  rule->add_gradient(std::vector<float>{1, -2});
  rule->add_gradient(std::vector<float>{3, -4});
  EXPECT_THAT(update_of(*rule, {9, 9}, {0, 0}, 2), ElementsAre(2.0f, -3.0f));
  rule->add_gradient(std::vector<float>{7, 7});
  EXPECT_THAT(update_of(*rule, {9, 9}, {0, 0}, 1), ElementsAre(7.0f, 7.0f));
}

TEST(WorkerRuleTest, ServersGetTheOtherHalf) {
  EXPECT_EQ(update_rule_for("adag", "adam"), R"({"rule":"add"})");
  EXPECT_EQ(update_rule_for("downpour", "adam"), R"({"rule":"add"})");
  EXPECT_THAT(update_rule_for("async_sgd", "adam"), testing::HasSubstr(R"("name":"adam")"));
}

TEST(WorkerRuleTest, UnknownTrainerListsTheKnownOnes) {
  try {
    make("easgd", 5);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "unknown trainer \"easgd\": use one of adag, downpour, async_sgd");
  }
  EXPECT_THROW(make("adag", 0), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::worker
