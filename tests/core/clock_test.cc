#include "core/clock.h"

#include <gtest/gtest.h>

namespace sluice::core {
namespace {

using namespace std::chrono_literals;

TEST(ClockTest, SteadyTimeNeverGoesBack) {
  TimePoint last = steady_now();
  for (int i = 0; i < 1000; ++i) {
    const TimePoint now = steady_now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(ClockTest, SecondsConvertBothWays) {
  EXPECT_DOUBLE_EQ(to_seconds(1500ms), 1.5);
  EXPECT_EQ(from_seconds(0.25), 250ms);
  EXPECT_EQ(from_seconds(-2), -2s);
}

TEST(ClockTest, WholeSecondsAreRoundedTowardsZero) {
  EXPECT_EQ(whole_seconds(30s), 30);
  EXPECT_EQ(whole_seconds(2999ms), 2);
  EXPECT_EQ(whole_seconds(-1500ms), -1);
}

TEST(ClockTest, SecondsThatNoDurationHoldsKeepTheirSign) {
  EXPECT_GT(from_seconds(1e30), 24h * 36500);
  EXPECT_LT(from_seconds(-1e30), -24h * 36500);
  EXPECT_EQ(from_seconds(std::nan("")), 0s);
}

}  // namespace
}  // namespace sluice::core
