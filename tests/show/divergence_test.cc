#include "show/divergence.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace sluice::show {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr ChanceLevel kTenClasses = {.loss = 2.302, .accuracy = 0.112, .records = 60000};

TEST(DivergenceWatchTest, ANetworkThatLearnsIsLeftAlone) {
  DivergenceWatch watch(kTenClasses, {});
  // The first epoch begins with the initial weights, whose loss may be any.
  EXPECT_FALSE(watch.ended(1, {5.0, 0.4}));
  EXPECT_FALSE(watch.ended(2, {2.2, 0.15}));
  EXPECT_FALSE(watch.ended(3, {0.3, 0.9}));
  EXPECT_FALSE(watch.divergence());
}

TEST(DivergenceWatchTest, OneThatDiesIsSaidOnceWithItsCause) {
  DivergenceWatch watch(kTenClasses, {.gain = 30, .bounded = false, .workers = 30});
  EXPECT_FALSE(watch.ended(1, {1.2, 0.6}));
  const auto died = watch.ended(2, {2.3035, 0.1});
  ASSERT_TRUE(died);
  EXPECT_EQ(died->line(),
            "warning: the network has died: the loss of epoch 2 is 2.3035, no better than guessing "
            "(2.3020); 30 workers move the servers 30 times as far at once as one would: leave out "
            "--no-bound-gain, or take fewer workers or a smaller learning rate");
  EXPECT_FALSE(watch.ended(3, {2.3035, 0.1}));
  ASSERT_TRUE(watch.divergence());
  EXPECT_EQ(watch.divergence()->epoch, 2);
}

TEST(DivergenceWatchTest, OneThatNeverLearnedNeedsAnotherRateAndOneThatIsFarOffASmaller) {
  DivergenceWatch slow(kTenClasses, {.learning_rate = 1e-7});
  EXPECT_THAT(slow.ended(1, {2.31, 0.1})->line(),
              testing::AllOf(HasSubstr("the network learns nothing"),
                             HasSubstr("try another learning rate (it is 1e-07)")));
  DivergenceWatch fast(kTenClasses, {.learning_rate = 10});
  EXPECT_THAT(fast.ended(1, {1e6, 0.1})->line(), HasSubstr("try a smaller learning rate (it is"));
}

TEST(DivergenceWatchTest, AShortFirstEpochSaysNothing) {
  DivergenceWatch watch(ChanceLevel{2.302, 0.112, 500}, {});
  EXPECT_FALSE(watch.ended(1, {2.4, 0.1}));
  EXPECT_TRUE(watch.ended(2, {2.4, 0.1}));
}

TEST(DivergenceWatchTest, WhatRecoversIsNotDeadInTheEnd) {
  DivergenceWatch watch(kTenClasses, {});
  EXPECT_TRUE(watch.ended(1, {2.31, 0.1}));
  EXPECT_FALSE(watch.ended(2, {1.0, 0.7}));
  EXPECT_FALSE(watch.divergence());
  EXPECT_TRUE(watch.ended(3, {2.31, 0.1}));
}

TEST(DivergenceWatchTest, ALossThatIsNoNumberIsSaidWhateverIsKnown) {
  DivergenceWatch watch(std::nullopt, {});
  EXPECT_FALSE(watch.ended(1, {1e9, 0.1}));
  const auto died = watch.ended(2, {-std::nan(""), 0.1});
  ASSERT_TRUE(died);
  EXPECT_THAT(died->line(), HasSubstr("training has diverged: the loss of epoch 2 is nan; "));
  EXPECT_TRUE(watch.is_dead(3, {std::numeric_limits<double>::infinity(), 0.1}));
}

// Where no accuracy tells, outputs that are far off may be on their way.
TEST(DivergenceWatchTest, OfNumbersItIsDeadThatStaysWithTheirMeanOrGoesBackToIt) {
  const double none = std::nan("");
  DivergenceWatch stays(ChanceLevel{4.0, 1.0, 1000}, {});
  EXPECT_FALSE(stays.ended(1, {90, none}));
  EXPECT_FALSE(stays.ended(2, {20, none}));
  EXPECT_TRUE(stays.ended(3, {4.01, none}));
  DivergenceWatch goes(ChanceLevel{4.0, 1.0, 1000}, {});
  EXPECT_FALSE(goes.ended(1, {3, none}));
  EXPECT_TRUE(goes.ended(2, {90, none}));
}

TEST(DivergenceWatchTest, TheTestSetIsNamed) {
  DivergenceWatch watch(kTenClasses, {});
  EXPECT_FALSE(watch.ended(1, {1.2, 0.6}));
  EXPECT_THAT(watch.ended(0, {2.302, 0.1135})->line(),
              HasSubstr("has died: the loss on the test set is 2.3020"));
}

}  // namespace
}  // namespace sluice::show
