#include "driver/gain_watch.h"

#include <gtest/gtest.h>

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;

class GainWatchTest : public testing::Test {
 protected:
  // The workers whose gain is told now; 0: nothing is.
  int told(GainWatch& watch, int workers) {
    const auto change = watch.trained_by(workers, t);
    return change ? change->workers : 0;
  }
  core::TimePoint t = core::TimePoint(100s);
};

TEST_F(GainWatchTest, AScaleThatIsAnotherForASecondIsTold) {
  GainWatch watch({.per_worker = 0.5}, 4);
  EXPECT_EQ(told(watch, 4), 0) << "the job's first lines have told it";
  EXPECT_EQ(watch.next(), core::TimePoint::max());
  EXPECT_EQ(told(watch, 6), 0);
  EXPECT_EQ(watch.next(), t + 1s);
  t += 500ms;
  EXPECT_EQ(told(watch, 8), 0);
  t += 500ms;
  const auto change = watch.trained_by(8, t);
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->gain, 4);
  EXPECT_EQ(change->scale, 0.25);
  EXPECT_EQ(watch.next(), core::TimePoint::max());
  EXPECT_EQ(told(watch, 8), 0) << "once";
}

TEST_F(GainWatchTest, WhatPassesIsNotTold) {
  GainWatch watch({.per_worker = 0.5}, 4);
  EXPECT_EQ(told(watch, 4), 0);
  EXPECT_EQ(told(watch, 3), 0);
  EXPECT_EQ(told(watch, 4), 0);
  EXPECT_EQ(watch.next(), core::TimePoint::max());
  t += 10s;
  EXPECT_EQ(told(watch, 3), 0) << "a second has to pass anew";
  EXPECT_EQ(told(watch, 0), 0) << "nobody trains";
  EXPECT_EQ(watch.next(), core::TimePoint::max());
}

TEST_F(GainWatchTest, WhileThoseAreComingThatWereAskedForNothingIsTold) {
  GainWatch watch({.per_worker = 1}, 4);
  for (int workers = 1; workers < 4; ++workers) {
    EXPECT_EQ(told(watch, workers), 0);
    t += 2s;
  }
  EXPECT_EQ(told(watch, 4), 0);
  EXPECT_EQ(watch.next(), core::TimePoint::max());
}

TEST_F(GainWatchTest, ThoseThatHaveNotComeForLongAreNotWaitedFor) {
  GainWatch watch({.per_worker = 1}, 4);
  EXPECT_EQ(told(watch, 2), 0);
  EXPECT_EQ(watch.next(), t + 10s);
  t += 10s;
  EXPECT_EQ(told(watch, 2), 0);
  t += 1s;
  EXPECT_EQ(told(watch, 2), 2);
}

TEST_F(GainWatchTest, NothingIsToldWhereNothingIsScaled) {
  for (const algorithm::Gain& gain :
       {algorithm::Gain{}, algorithm::Gain{.per_worker = 1, .bounded = false}}) {
    GainWatch watch(gain, 1);
    for (int workers = 1; workers < 9; ++workers) {
      EXPECT_EQ(told(watch, workers), 0);
      EXPECT_EQ(watch.next(), core::TimePoint::max());
      t += 5s;
    }
  }
}

}  // namespace
}  // namespace sluice::driver
