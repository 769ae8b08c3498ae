#include "driver/rate_meter.h"

#include <gtest/gtest.h>

namespace sluice::driver {
namespace {

using std::chrono::seconds;

TEST(RateMeterTest, OneMomentSaysNothing) {
  RateMeter<2> meter(seconds(5));
  EXPECT_EQ(meter.seconds(), 0);
  meter.add(core::TimePoint(seconds(100)), {7, 8});
  EXPECT_EQ(meter.seconds(), 0);
  EXPECT_EQ(meter.rates(), (RateMeter<2>::Counts{0, 0}));
}

TEST(RateMeterTest, OnlyTheLastSecondsCount) {
  RateMeter<2> meter(seconds(5));
  // 100 a second for a minute, and then nothing.
  for (int s = 0; s <= 60; ++s) meter.add(core::TimePoint(seconds(s)), {100.0 * s, 1.0 * s});
  EXPECT_EQ(meter.seconds(), 5);
  EXPECT_EQ(meter.rates(), (RateMeter<2>::Counts{100, 1}));
  for (int s = 61; s <= 65; ++s) meter.add(core::TimePoint(seconds(s)), {6000, 60});
  EXPECT_EQ(meter.seconds(), 5);
  EXPECT_EQ(meter.rates(), (RateMeter<2>::Counts{0, 0}));
}

}  // namespace
}  // namespace sluice::driver
