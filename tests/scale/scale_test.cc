// What driver and client do grows with workers, servers, shards and partitions, and not with their
// squares; and what large simulated jobs come to is what formulas say.
#include "tests/simulator/scale.h"

#include <gtest/gtest.h>

#include "core/log.h"
#include "tests/scale/operations.h"

namespace sluice::simulator {
namespace {

class ScaleTest : public testing::Test {
 protected:
  void SetUp() override { log::set_level("off"); }

  // Of driver and client in such a job, on a network that costs no time.
  static int64_t operations_of(ScaleOptions options) {
    options.window = std::chrono::milliseconds(50);
    const int64_t before = scale::operations();
    (void)run_at_scale(options);
    return scale::operations() - before;
  }
  // How many times more it is when there is four times as much of something.
  static double growth(const ScaleOptions& few, const ScaleOptions& many) {
    const auto before = static_cast<double>(operations_of(few));
    EXPECT_GT(before, 100'000);
    return static_cast<double>(operations_of(many)) / before;
  }
  // Four times as much, and logarithms.
  static constexpr double kLinear = 4.8;
};

TEST_F(ScaleTest, OperationsGrowWithWorkers) {
  EXPECT_LT(growth({.workers = 60, .windows = 10}, {.workers = 240, .windows = 10}), kLinear);
}

// Who has nothing to do takes from others what ends last.
TEST_F(ScaleTest, OperationsGrowWithWorkersOverSeveralEpochs) {
  const ScaleOptions few{.epochs = 4, .workers = 60, .windows = 10, .exponential = true};
  ScaleOptions many = few;
  many.workers = 240;
  EXPECT_LT(growth(few, many), kLinear);
}

TEST_F(ScaleTest, OperationsGrowWithServers) {
  EXPECT_LT(growth({.workers = 20, .servers = 8, .windows = 10},
                   {.workers = 20, .servers = 32, .windows = 10}),
            kLinear);
}

TEST_F(ScaleTest, OperationsGrowWithShards) {
  EXPECT_LT(growth({.workers = 10, .servers = 2, .shards_per_server = 16, .windows = 10},
                   {.workers = 10, .servers = 2, .shards_per_server = 64, .windows = 10}),
            kLinear);
}

TEST_F(ScaleTest, OperationsGrowWithPartitions) {
  EXPECT_LT(growth({.workers = 10, .partitions_per_worker = 20, .windows = 4},
                   {.workers = 10, .partitions_per_worker = 80, .windows = 4}),
            kLinear);
}

}  // namespace
}  // namespace sluice::simulator
