#include "train/evaluation.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/parameter_set.h"
#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "tests/support/local_job.h"
#include "tests/train/linear_model.h"

namespace sluice::train {
namespace {

using testing::HasSubstr;
using testing_support::small_dataset;
using testing_support::small_model;

Evaluator evaluator_of(const Model& model, const Dataset& data, const EvaluateOptions& options) {
  return {model, tasks_of(model, data.records()->info(), objective_of(options, model)), options};
}

Dataset three_records() {
  return Dataset::from_arrays(std::vector<float>{1, 0, 3, 1, 0, 2}, std::vector<int32_t>{0, 1, 1},
                              {2}, 2);
}

TEST(EvaluatorTest, EqualsTheLossesComputedByHandAtTheParametersItIsGiven) {
  const Sequential model = linear_model();
  const auto evaluate = [&](const std::string& loss, const std::vector<float>& parameters) {
    Evaluator evaluator =
        evaluator_of(model, three_records(), {.batch_size = 2, .loss = loss, .threads = 1});
    return evaluator.evaluate(parameters, *three_records().records());
  };
  // Outputs (1, 0), (3, 1), (0, 2) for classes 0, 1, 1: mean squares 0, 9/2, 1/2.
  EXPECT_NEAR(evaluate("mse", kIdentity).loss, 5.0 / 3, 1e-6);
  EXPECT_NEAR(evaluate("mse", kIdentity).accuracy, 2.0 / 3, 1e-12);
  EXPECT_NEAR(evaluate("mse", {0, 1, 1, 0}).accuracy, 1.0 / 3, 1e-12);  // outputs swapped
  // Probabilities of the right classes: 1, 1/4, 1.
  for (const char* loss : {"categorical_crossentropy", "sparse_categorical_crossentropy"}) {
    EXPECT_NEAR(evaluate(loss, kIdentity).loss, std::log(4.0) / 3, 1e-6) << loss;
  }
}

// y is 1 at the class, also where there is no other: as Keras with to_categorical(labels, 1).
TEST(EvaluatorTest, TheOnlyClassIsOneHotToo) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .activation = "sigmoid", .use_bias = false}));
  model.parameters().values()[0] = 1;
  const Dataset data = Dataset::from_arrays(std::vector<float>{-1, 0, 0.001f, 2, 0.5f},
                                            std::vector<int32_t>(5, 0), {1}, 1);
  const Metrics mse = model.evaluate(data, {.loss = "mse"});
  EXPECT_NEAR(mse.loss, 0.238189, 1e-6);  // Keras'
  EXPECT_NEAR(mse.accuracy, 0.6, 1e-12);
  EXPECT_NEAR(model.evaluate(data, {.loss = "categorical_crossentropy"}).accuracy, 0.6, 1e-12);
}

TEST(EvaluatorTest, NumbersAreComparedAsTheyAre) {
  // Outputs (1, 0), (3, 1).
  const std::vector<float> x = {1, 0, 3, 1}, y = {0.5f, 0, 3, -1};
  const Dataset data = Dataset::from_arrays(x, y, {2});
  Evaluator evaluator =
      evaluator_of(linear_model(), data, {.batch_size = 2, .loss = "mse", .threads = 1});
  const Metrics metrics = evaluator.evaluate(kIdentity, *data.records());
  EXPECT_NEAR(metrics.loss, (0.25 / 2 + 4.0 / 2) / 2, 1e-6);
  EXPECT_TRUE(std::isnan(metrics.accuracy));
}

TEST(EvaluatorTest, TheBatchSizeAndTheThreadsChangeNothing) {
  const Sequential model = small_model();
  const Dataset data = small_dataset(101);
  const Metrics whole = model.evaluate(data, {.batch_size = 101, .threads = 1});
  EXPECT_GT(whole.loss, 0.1);
  for (int64_t batch : {1, 7, 100, 128}) {
    const Metrics metrics = model.evaluate(data, {.batch_size = batch, .threads = 2});
    EXPECT_NEAR(metrics.loss, whole.loss, 1e-6) << batch;
    EXPECT_EQ(metrics.accuracy, whole.accuracy) << batch;
  }
}

TEST(EvaluatorTest, MistakesAreRefusedWhenItIsMade) {
  const Sequential model = linear_model();
  EXPECT_THAT(message_of<std::invalid_argument>(
                  [&] { evaluator_of(model, three_records(), {.batch_size = 0}); }),
              HasSubstr("batch_size"));
  EXPECT_THAT(message_of<std::invalid_argument>(
                  [&] { evaluator_of(model, three_records(), {.loss = "triplet"}); }),
              HasSubstr("triplet"));
  EXPECT_THAT(
      message_of<RuntimeError>([&] { evaluator_of(model, three_records(), {.device = "tpu"}); }),
      HasSubstr("tpu"));
}

}  // namespace
}  // namespace sluice::train
