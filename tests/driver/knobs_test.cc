#include "driver/knobs.h"

#include <gmock/gmock.h>

namespace sluice::driver {
namespace {

using testing::HasSubstr;

TEST(KnobsTest, EachSaysWhatItIs) {
  for (const Knob& knob : knobs()) {
    EXPECT_EQ(*find_knob(knob.name), &knob);
    EXPECT_NE(*knob.help, '\0');
    EXPECT_NE(knob.now({}, {}), "") << knob.name;
  }
}

TEST(KnobsTest, TheLearningRateIsANumberAboveZero) {
  wire::TrainingSpec job;
  job.optimizer = SGD({.learning_rate = 0.25f});
  const Knob& knob = **find_knob("learning-rate");
  wire::Knobs set;
  EXPECT_EQ(knob.now(job, set), "0.25");
  for (const char* wrong : {"", "x", "0", "-1", "nan", "inf", "1e99", "0.1x", " 0.1", "+0.1"}) {
    EXPECT_EQ(knob.set(job, wrong, set).code(), StatusCode::kInvalidArgument) << wrong;
    EXPECT_EQ(set, wire::Knobs{}) << wrong;
  }
  EXPECT_TRUE(knob.set(job, "5e-4", set).ok());
  EXPECT_EQ(set.learning_rate, 5e-4f);
  EXPECT_EQ(knob.now(job, set), "0.0005");
}

TEST(KnobsTest, ARateThatFollowsAScheduleIsNotSet) {
  wire::TrainingSpec job;
  job.optimizer = SGD({.learning_rate = CosineDecay({.decay_steps = 10})});
  const Knob& knob = **find_knob("learning-rate");
  wire::Knobs set;
  EXPECT_EQ(knob.now(job, set), "CosineDecay");
  const Status refused = knob.set(job, "0.1", set);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("follows CosineDecay"));
}

TEST(KnobsTest, TheStalenessIsANumberOfWindowsOrNone) {
  const wire::TrainingSpec job;
  const Knob& knob = **find_knob("max-staleness");
  wire::Knobs set;
  EXPECT_EQ(knob.now(job, set), "none");
  for (const char* wrong :
       {"", "x", "-1", "+1", "1.5", "1x", " 1", "None", "1e3", "99999999999999999999"}) {
    EXPECT_EQ(knob.set(job, wrong, set).code(), StatusCode::kInvalidArgument) << wrong;
    EXPECT_EQ(set, wire::Knobs{}) << wrong;
  }
  EXPECT_TRUE(knob.set(job, "0", set).ok());
  EXPECT_EQ(set.max_staleness, 0);
  EXPECT_EQ(knob.now(job, set), "0");
  EXPECT_TRUE(knob.set(job, "none", set).ok());
  EXPECT_EQ(set, wire::Knobs{});
}

TEST(KnobsTest, TheStalenessOfRoundsIsNotSet) {
  wire::TrainingSpec job;
  job.trainer = "local_sgd";
  const Knob& knob = **find_knob("max-staleness");
  wire::Knobs set;
  EXPECT_EQ(knob.now(job, set), "0 (rounds)");
  EXPECT_EQ(knob.set(job, "3", set),
            failed_precondition("max-staleness: local_sgd trains in rounds, all workers of which "
                                "wait for each other"));
}

TEST(KnobsTest, WhatIsNoKnobIsRefusedWithTheReasonAndWithWhatThereIs) {
  const Status fixed = find_knob("batch-size").status();
  EXPECT_EQ(fixed.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fixed.message(),
            "batch-size cannot be changed while the job runs: which samples a push has, and how "
            "many there are, follows from it; what can be: learning-rate NUMBER, max-staleness "
            "WINDOWS|none");
  EXPECT_EQ(find_knob("colour").status().message(),
            "nothing named \"colour\" can be changed; what can be: learning-rate NUMBER, "
            "max-staleness WINDOWS|none");
  EXPECT_EQ(find_knob("workers").status().message(),
            "workers are asked for with: sluice ctl scale workers=N");
}

}  // namespace
}  // namespace sluice::driver
