#include "driver/pace.h"

#include <gtest/gtest.h>

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;

class PaceTest : public testing::Test {
 protected:
  double speed() const { return pace.steps_per_second(t); }

  Pace pace;
  core::TimePoint t{1h};
};

TEST_F(PaceTest, IsNotKnownBeforeTheFirstStep) {
  EXPECT_EQ(speed(), 0);
  pace.begin(100, t);
  pace.heard(100, t += 1s);
  EXPECT_EQ(speed(), 0);
}

TEST_F(PaceTest, IsStepsByTimeFromTheMomentThatItTrains) {
  pace.begin(100, t);
  pace.heard(100, t += 3s);  // it reads its data
  pace.heard(150, t += 1s);
  EXPECT_DOUBLE_EQ(speed(), 50);
  EXPECT_DOUBLE_EQ(pace.position(t), 150);
  EXPECT_DOUBLE_EQ(pace.position(t + 500ms), 175);
}

TEST_F(PaceTest, FollowsWhatChanges) {
  pace.begin(0, t);
  pace.heard(50, t += 1s);
  pace.heard(60, t += 1s);
  EXPECT_DOUBLE_EQ(speed(), 30);
  pace.heard(70, t += 1s);
  EXPECT_DOUBLE_EQ(speed(), 20);
}

TEST_F(PaceTest, ShortLeasesAreMeasuredTogether) {
  for (int lease = 0; lease < 10; ++lease) {
    pace.begin(7 * lease, t);
    pace.heard(7 * lease + 5, t += 100ms);
    pace.end();
    t += 10s;  // without a lease it does not train
  }
  EXPECT_DOUBLE_EQ(speed(), 50);
}

TEST_F(PaceTest, WhoStandsStillIsSlow) {
  pace.begin(0, t);
  pace.heard(50, t += 1s);
  t += 2s;
  EXPECT_DOUBLE_EQ(speed(), 50) << "nothing was heard of it yet";
  t += 8s;
  EXPECT_DOUBLE_EQ(speed(), 0.1);
  EXPECT_LT(pace.position(t), 51);
  pace.end();
  EXPECT_DOUBLE_EQ(speed(), 50) << "it has nothing to do";
}

// What the servers tell of one wait, several times, counts once.
TEST_F(PaceTest, TimeInWhichOthersKeptItFromTrainingDoesNotCount) {
  pace.begin(0, t);
  pace.heard(50, t += 1s);
  for (const auto so_far : {200ms, 400ms, 4400ms}) pace.held(t + 500ms, t + 500ms + so_far);
  EXPECT_DOUBLE_EQ(pace.steps_per_second(t + 4900ms), 50) << "it does not stand still by itself";
  pace.heard(75, t += 4900ms);  // half a second of training
  EXPECT_DOUBLE_EQ(speed(), 50);
  pace.held(t - 10s, t);  // which was before it was heard of
  pace.heard(125, t += 1s);
  EXPECT_DOUBLE_EQ(speed(), 50);
}

TEST_F(PaceTest, StepsThatGoBackAreNone) {
  pace.begin(10, t);
  pace.heard(60, t += 1s);
  pace.heard(20, t += 1s);
  pace.heard(0, t += 1s);
  EXPECT_GT(speed(), 0);
  EXPECT_GE(pace.position(t), 60);
}

}  // namespace
}  // namespace sluice::driver
