#include "train/adopted_training.h"

#include <gmock/gmock.h>

#include "nn/model_impl.h"
#include "sluice/dataset.h"
#include "tests/train/linear_model.h"

namespace sluice::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Sequential compiled(const OptimizerSpec& optimizer, std::vector<std::string> metrics) {
  Sequential model = linear_model();
  model.impl().training = nn::TrainingState{
      .optimizer = optimizer, .loss = "huber(delta=2)", .metrics = std::move(metrics)};
  return model;
}

TEST(AdoptedTrainingTest, WhatIsNotGivenIsTheModels) {
  const Sequential model = compiled("sgd(momentum=0.9)", {"mae", "accuracy"});
  JobConfig config;
  EXPECT_THAT(adopt_training(model, {}, config), ElementsAre("loss", "metrics", "optimizer"));
  EXPECT_EQ(config.loss, LossSpec("huber(delta=2)"));
  EXPECT_EQ(config.optimizer, OptimizerSpec("sgd(momentum=0.9)"));
  EXPECT_THAT(objective_of(config).metrics, ElementsAre("mae", "accuracy"));
  JobConfig own;
  own.loss = "mse";
  EXPECT_THAT(adopt_training(model, {"loss", "optimizer"}, own), ElementsAre("metrics"));
  EXPECT_EQ(own.loss, LossSpec("mse"));
  EXPECT_EQ(own.optimizer, OptimizerSpec("adam"));
}

TEST(AdoptedTrainingTest, AModelThatWasNeverCompiledChangesNothing) {
  JobConfig config;
  EXPECT_TRUE(adopt_training(linear_model(), {}, config).empty());
  EXPECT_EQ(to_json(config), to_json(JobConfig()));
  // Without metrics accuracy is measured, as evaluate() does.
  EXPECT_THAT(adopt_training(compiled("adam", {}), {}, config), ElementsAre("loss", "optimizer"));
  EXPECT_EQ(config.metrics, "accuracy");
}

TEST(AdoptedTrainingTest, AnOptimizerThatTheJobCannotHaveIsSaid) {
  JobConfig config;
  config.model = "m.keras";
  testing::internal::CaptureStderr();
  EXPECT_THAT(
      adopt_training(compiled("adamw(exclude_from_weight_decay=[gamma])", {"mae"}), {}, config),
      ElementsAre("loss", "metrics"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("m.keras has the optimizer adamw, which this job cannot have: "),
                    HasSubstr("; it is adam instead\n")));
  EXPECT_EQ(config.optimizer, OptimizerSpec("adam"));
}

TEST(AdoptedTrainingTest, MetricsThatCannotBeMeasuredAreLeftOut) {
  const Sequential model = compiled("adam", {"mae", "top_k_categorical_accuracy(k=5)", "auc"});
  const Dataset numbers =
      Dataset::from_arrays(std::vector<float>{1, 0}, std::vector<float>{1, 0}, Shape{2});
  JobConfig config;
  (void)adopt_training(model, {}, config);
  testing::internal::CaptureStderr();
  leave_out_unfit_metrics(model, numbers.records()->info(), config);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("is left out: \"top_k_"));
  EXPECT_THAT(objective_of(config).metrics, testing::Contains("mae"));
  EXPECT_THAT(config.metrics, testing::Not(HasSubstr("top_k")));
}

}  // namespace
}  // namespace sluice::train
