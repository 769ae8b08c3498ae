#include "core/clock.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::core {
namespace {

using namespace std::chrono_literals;

TEST(ManualClockTest, StandsStillUntilItIsMoved) {
  ManualClock clock;
  const TimePoint start = clock.now();
  EXPECT_EQ(clock.now(), start);
  clock.advance(3s);
  clock.advance(5ms);
  EXPECT_EQ(clock.now() - start, 3005ms);
}

TEST(ManualClockTest, CanBeMovedFromSeveralThreads) {
  ManualClock clock;
  const TimePoint start = clock.now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) clock.advance(1ns);
      });
    }
  }
  EXPECT_EQ(clock.now() - start, 4000ns);
}

TEST(SteadyClockTest, NeverGoesBack) {
  const SteadyClock clock;
  TimePoint last = clock.now();
  for (int i = 0; i < 1000; ++i) {
    const TimePoint now = clock.now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(ClockTest, SecondsConvertBothWays) {
  EXPECT_DOUBLE_EQ(to_seconds(1500ms), 1.5);
  EXPECT_EQ(from_seconds(0.25), 250ms);
  EXPECT_EQ(from_seconds(-2), -2s);
}

TEST(ClockTest, SecondsThatNoDurationHoldsKeepTheirSign) {
  EXPECT_GT(from_seconds(1e30), 24h * 36500);
  EXPECT_LT(from_seconds(-1e30), -24h * 36500);
  EXPECT_EQ(from_seconds(std::nan("")), 0s);
}

}  // namespace
}  // namespace sluice::core
