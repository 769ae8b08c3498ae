#include "driver/push_plan.h"

#include <gtest/gtest.h>

#include "wire/training_spec.h"

namespace sluice::driver {
namespace {

// Two partitions of 10 and one of 9 steps an epoch, three epochs, windows of four.
class PushPlanTest : public testing::Test {
 protected:
  const PushPlan plan{{8, 8, 7}, {10, 10, 9}, 3, [](int64_t push, int64_t) { return 4 * push; }};
};

TEST_F(PushPlanTest, APushBelongsToTheEpochInWhichItsWindowBegins) {
  // Windows begin at steps 0, 4, 8 | 12, 16 | 20, 24, 28.
  const std::vector<int> right{0, 0, 0, 1, 1, 2, 2, 2};
  for (int64_t push = 1; push <= 8; ++push) {
    EXPECT_EQ(plan.epoch_of(0, push), right[static_cast<size_t>(push - 1)]) << push;
  }
  EXPECT_EQ(plan.epoch_end(0, -1), 0);
  EXPECT_EQ(plan.epoch_end(0, 0), 3);
  EXPECT_EQ(plan.epoch_end(0, 1), 5);
  EXPECT_EQ(plan.epoch_end(0, 2), 8);
  EXPECT_EQ(plan.pushes_of_epoch(0), 3 + 3 + 3);
  EXPECT_EQ(plan.pushes_of_epoch(1), 2 + 2 + 2);
  EXPECT_EQ(plan.pushes_of_epoch(2), 3 + 3 + 2);
  EXPECT_EQ(plan.all_pushes(), 23);
}

TEST_F(PushPlanTest, StepsAreThoseOfTheWindows) {
  EXPECT_EQ(plan.steps_before(0, 1), 0);
  EXPECT_EQ(plan.steps_before(0, 4), 12);
  EXPECT_EQ(plan.steps_before(0, 9), 30);
  EXPECT_EQ(plan.steps(0, 8, 8), 2) << "the last window is shorter";
  EXPECT_EQ(plan.steps(2, 1, 7), 27);
  EXPECT_DOUBLE_EQ(plan.steps_per_push(), (30.0 + 30 + 27) / 23);
}

TEST_F(PushPlanTest, AStepBelongsToAPush) {
  EXPECT_EQ(plan.push_at(0, 0, 1, 8), 1);
  EXPECT_EQ(plan.push_at(0, 1, 1, 8), 2);
  EXPECT_EQ(plan.push_at(0, 28, 1, 8), 8);
  EXPECT_EQ(plan.push_at(0, 29, 1, 8), 9) << "behind all";
  EXPECT_EQ(plan.push_at(0, 0, 3, 8), 3) << "not before the first";
}

TEST(LongWindowTest, EpochsMayHaveNoWindow) {
  const PushPlan plan({2}, {3}, 5, [](int64_t push, int64_t) { return 10 * push; });
  EXPECT_EQ(plan.epoch_of(0, 1), 0);
  EXPECT_EQ(plan.epoch_of(0, 2), 3);
  for (const int epoch : {0, 1, 2}) EXPECT_EQ(plan.epoch_end(0, epoch), 1) << epoch;
  EXPECT_EQ(plan.epoch_end(0, 3), 2);
  EXPECT_EQ(plan.pushes_of_epoch(1), 0);
  EXPECT_EQ(plan.pushes_of_epoch(4), 0);
}

// Its first window is a step shorter, and may be empty; it pushes once more at the end.
TEST(DownpourTest, PushesAreCountedAsItsRuleSays) {
  for (const int64_t window : {1, 2, 5, 100}) {
    algorithm::Choice trainer;
    trainer = "downpour";
    trainer.set("window", window);
    const std::shared_ptr rule = trainer.worker_rule();
    const int64_t pushes = rule->pushes(4 * 7, 7);
    const PushPlan plan({pushes}, {7}, 4, [rule](int64_t push, int64_t epoch_steps) {
      return rule->push_end(push, epoch_steps);
    });
    int64_t all = 0;
    for (int epoch = 0; epoch < 4; ++epoch) all += plan.pushes_of_epoch(epoch);
    EXPECT_EQ(all, pushes) << window;
    EXPECT_EQ(plan.steps(0, 1, pushes), 28) << window;
  }
}

}  // namespace
}  // namespace sluice::driver
