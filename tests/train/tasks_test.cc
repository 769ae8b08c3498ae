// What models with several outputs are told, and what is measured of them.
#include "train/tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/parameter_set.h"
#include "core/rng.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "tests/nn/models.h"
#include "train/evaluation.h"

namespace sluice::train {
namespace {

using nn::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Keras' own evaluation of nn::two_heads(), with its weights and records (tests/nn/golden).
struct Golden {
  nlohmann::json json = nlohmann::json::parse(nn::read_golden("two_heads.values.json"));
  std::vector<float> array(const char* name, size_t k) const {
    return json[name][k].get<std::vector<float>>();
  }
  std::vector<float> image = array("x", 0), row = array("x", 1);
  std::vector<float> kind = array("targets", 0), place = array("targets", 1);

  Model model() const {
    Model model = nn::two_heads();
    const auto weights = json["weights"].get<std::vector<float>>();
    std::copy(weights.begin(), weights.end(), model.parameters().values().begin());
    return model;
  }
  Dataset dataset() const {
    return Dataset::from_arrays({{image, {5, 5, 2}}, {row, {3}}}, {{kind, {}}, {place, {2}}});
  }
};

const std::map<std::string, LossSpec> kLosses = {{"kind", "sparse_categorical_crossentropy"},
                                                 {"place", "mse"}};

TEST(TasksTest, AnEvaluationOfSeveralOutputsIsThatOfKeras) {
  const Golden golden;
  const Metrics metrics = golden.model().evaluate(
      golden.dataset(),
      {.batch_size = 4,
       .losses = kLosses,
       .loss_weights = {{"kind", 0.4}, {"place", 2.5}},
       .metrics = {"accuracy", "kind:sparse_top_k_categorical_accuracy(k=2,name=top)", "place:mae",
                   "place:root_mean_squared_error(name=root)"},
       .threads = 1});
  const auto& expected = golden.json["measured"];
  EXPECT_NEAR(metrics.loss, expected["loss"].get<double>(), 1e-6);
  EXPECT_TRUE(std::isnan(metrics.accuracy));
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics.values) {
    names.push_back(name);
    EXPECT_NEAR(value, expected[name].get<double>(), 1e-6) << name;
  }
  EXPECT_THAT(names, ElementsAre("kind_loss", "kind_accuracy", "kind_top", "place_loss",
                                 "place_mae", "place_root"));
  EXPECT_EQ(metrics.value("kind_loss"), metrics.values[0].second);
  EXPECT_TRUE(std::isnan(metrics.value("loss")));
}

TEST(TasksTest, PredictionsComeOutputByOutput) {
  const Golden golden;
  const Model model = golden.model();
  for (const int64_t batch : {1, 4, 6}) {
    const auto y = model.predict({golden.image, golden.row}, {.batch_size = batch, .threads = 1});
    ASSERT_EQ(y.size(), 2u);
    for (size_t k = 0; k < 2; ++k) {
      const std::vector<float> expected = golden.array("y", k);
      ASSERT_EQ(y[k].size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(y[k][i], expected[i], 1e-6);
    }
  }
  EXPECT_THAT(message_of<ShapeError>([&] { (void)model.predict(golden.image); }),
              HasSubstr("has 2 inputs"));
  EXPECT_THAT(message_of<ShapeError>(
                  [&] { (void)model.predict(std::vector<std::span<const float>>{golden.image}); }),
              HasSubstr("expected 2 arrays, got 1"));
  const auto short_row = std::span(golden.row).first(3);
  EXPECT_THAT(message_of<ShapeError>([&] {
                (void)model.predict({golden.image, short_row});
              }),
              HasSubstr("1 samples for input 1 and 6 for the first"));
}

// A classifier and a regression of the same 4 numbers.
Model two_tasks() {
  const Input x({4}, {.name = "x"}), z({2}, {.name = "z"});
  const SymbolicTensor hidden = Dense({.units = 12, .activation = "tanh"})(x);
  const SymbolicTensor both = Add()({Dense({.units = 12})(hidden), Dense({.units = 12})(z)});
  return Model({x, z}, {Dense({.units = 2, .activation = "softmax", .name = "kind"})(hidden),
                        Dense({.units = 1, .name = "sum"})(both)});
}
Dataset two_tasks_records(size_t n) {
  std::vector<float> x, z, kind, sum;
  core::Rng rng(5);
  for (size_t i = 0; i < n; ++i) {
    float total = 0;
    for (int k = 0; k < 4; ++k) total += x.emplace_back(rng.uniform(-1, 1));
    kind.push_back(total > 0 ? 1.0f : 0.0f);
    for (int k = 0; k < 2; ++k) total += z.emplace_back(rng.uniform(-1, 1));
    sum.push_back(total);
  }
  return Dataset::from_arrays({{x, {4}}, {z, {2}}}, {{kind, {1}}, {sum, {1}}});
}

TEST(TasksTest, FitTrainsEveryOutput) {
  Model model = two_tasks();
  const std::map<std::string, LossSpec> losses = {{"kind", "sparse_categorical_crossentropy"},
                                                  {"sum", "mse"}};
  const auto history = model.fit(two_tasks_records(400),
                                 {.batch_size = 16,
                                  .epochs = 12,
                                  .optimizer = Adam({.learning_rate = 0.01f}),
                                  .losses = losses,
                                  .loss_weights = {{"sum", 0.5}},
                                  .metrics = {"accuracy", "kind:confusion_matrix", "sum:mae"},
                                  .validation_split = 0.25,
                                  .threads = 1,
                                  .verbose = 0});
  ASSERT_EQ(history.size(), 12u);
  const Metrics &first = history.front().train, &last = history.back().train;
  EXPECT_GT(last.value("kind_accuracy"), 0.9);
  EXPECT_LT(last.value("sum_loss"), 0.2 * first.value("sum_loss"));
  EXPECT_NEAR(last.loss, last.value("kind_loss") + 0.5 * last.value("sum_loss"), 1e-6);
  for (const Metrics* metrics : {&last, &*history.back().validation}) {
    ASSERT_EQ(metrics->matrices.size(), 1u);
    const ConfusionMatrix& matrix = metrics->matrices[0];
    EXPECT_EQ(matrix.name, "kind_confusion_matrix");
    EXPECT_EQ(matrix.classes, 2);
    const int64_t all = matrix.counts[0] + matrix.counts[1] + matrix.counts[2] + matrix.counts[3];
    EXPECT_EQ(all, metrics == &last ? 300 : 100);
    EXPECT_NEAR(static_cast<double>(matrix.counts[0] + matrix.counts[3]) / static_cast<double>(all),
                metrics->value("kind_accuracy"), 1e-12);
  }
}

TEST(TasksTest, AWeightOfZeroLeavesAnOutputUntrained) {
  Model model = two_tasks();
  const auto before = model.get_weights("sum/kernel");
  model.fit(two_tasks_records(40), {.loss = "mse",
                                    .losses = {{"kind", "sparse_categorical_crossentropy"}},
                                    .loss_weights = {{"sum", 0}},
                                    .threads = 1,
                                    .verbose = 0});
  EXPECT_EQ(model.get_weights("sum/kernel"), before);
}

TEST(TasksTest, OfASingleOutputTheMetricsHaveNoPrefix) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  const Dataset data = Dataset::from_arrays(std::vector<float>{1, 0, 3, 1, 0, 2},
                                            std::vector<int32_t>{0, 1, 1}, {2}, 2);
  const Metrics metrics = model.evaluate(data, {.metrics = {"auc", "accuracy", "acc"}});
  EXPECT_FALSE(std::isnan(metrics.accuracy));
  ASSERT_EQ(metrics.values.size(), 2u);
  EXPECT_EQ(metrics.values[0].first, "auc");
  EXPECT_EQ(metrics.values[1], (std::pair<std::string, double>{"acc", metrics.accuracy}));
  EXPECT_TRUE(std::isnan(model.evaluate(data, {.metrics = {}}).accuracy));
}

TEST(TasksTest, AMetricOfEachClassHasAValueOfEach) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  model.set_weights("dense/kernel", std::vector<float>{1, 0, 0, 1});
  const Dataset data = Dataset::from_arrays(std::vector<float>{1, 0, 3, 1, 0, 2, 0, 1},
                                            std::vector<int32_t>{0, 1, 1, 0}, {2}, 2);
  const Metrics metrics =
      model.evaluate(data, {.metrics = {"f1_score", "f1_score(average=macro,name=mean)"}});
  ASSERT_EQ(metrics.values.size(), 3u);
  EXPECT_NEAR(metrics.value("f1_score_0"), 0.5, 1e-6);  // one of two, one of two
  EXPECT_NEAR(metrics.value("f1_score_1"), 0.5, 1e-6);
  EXPECT_NEAR(metrics.value("mean"), 0.5, 1e-6);
}

TEST(TasksTest, WhatDoesNotFitIsRefused) {
  const Golden golden;
  const Model model = golden.model();
  const auto refusal = [&](const EvaluateOptions& options) {
    return message_of([&] { (void)model.evaluate(golden.dataset(), options); });
  };
  EXPECT_EQ(refusal({.losses = {{"knd", "mse"}}}),
            "losses: the model has no output \"knd\"; it has kind, place");
  EXPECT_THAT(refusal({.losses = kLosses, .loss_weights = {{"kind", INFINITY}}}),
              HasSubstr("loss_weights: \"kind\": expected a finite number, got inf"));
  EXPECT_THAT(refusal({.losses = kLosses, .loss_weights = {{"kind", 1e300}}}),
              HasSubstr("loss_weights: \"kind\": expected a finite number, got 1e+300"));
  EXPECT_EQ(refusal({.losses = kLosses, .metrics = {"auc"}}),
            "metrics: \"auc\" of the output \"place\" is of classes, and these are numbers");
  EXPECT_EQ(refusal({.losses = kLosses, .metrics = {"kin:auc"}}),
            "metrics: the model has no output \"kin\"; it has kind, place");
  EXPECT_EQ(refusal({.losses = kLosses, .metrics = {"kind:precision(class_id=3)"}}),
            "metrics: \"precision(class_id=3)\" of the output \"kind\" has class_id 3, but there "
            "are 3 outputs");
  EXPECT_EQ(
      refusal({.losses = kLosses, .metrics = {"kind:precision(top_k=4)"}}),
      "metrics: \"precision(top_k=4)\" of the output \"kind\" takes the top_k 4 of a row, but "
      "there are 3 outputs");
  EXPECT_THAT(refusal({.losses = kLosses, .metrics = {"kind:iou(target_class_ids=[1,3])"}}),
              HasSubstr("has the class 3, but there are 3"));
  EXPECT_THAT(refusal({.losses = kLosses, .metrics = {"kind:binary_iou(target_class_ids=[2])"}}),
              HasSubstr("has the class 2, but there are 2"));
  EXPECT_THAT(refusal({.losses = kLosses, .metrics = {"kind:mean_iou(num_classes=4)"}}),
              HasSubstr("has 4 classes, but there are 3 outputs"));
  EXPECT_THAT(refusal({.losses = kLosses, .metrics = {"place:f1_score"}}),
              HasSubstr("is of classes, and these are numbers"));
  EXPECT_THAT(refusal({.losses = kLosses, .metrics = {"kind:recall", "kind:recall(class_id=1)"}}),
              HasSubstr("two are named \"recall\"; give one another name"));
  EXPECT_THAT(refusal({.losses = kLosses,
                       .metrics = {"kind:f1_score(average=none)", "kind:auc(name=f1_score_1)"}}),
              HasSubstr("two are named \"f1_score_1\"; give one another name"));
  EXPECT_THAT(refusal({.losses = kLosses, .metrics = {"kind:recall(name='a\nb')"}}),
              HasSubstr("has control characters"));
  for (const std::string name : {"loss", "epoch", "seconds", "val_loss"}) {
    EXPECT_EQ(refusal({.losses = kLosses, .metrics = {"kind:recall(name=" + name + ")"}}),
              "metrics: one is named \"" + name +
                  "\", as something else that is shown of an epoch; give it another name");
  }
  EXPECT_THAT(refusal({.loss = "mse"}),
              HasSubstr("whose targets are 3 of \"kind\" (mse), 2 of \"place\" (mse), but a record "
                        "of arrays has 3 numbers"));
}

TEST(TasksTest, ArraysOfADatasetHaveAsManyRecords) {
  const std::vector<float> x(6), y(3);
  EXPECT_EQ(Dataset::from_arrays({{x, {2}}}, {{y, {}}}).size(), 3);
  EXPECT_THAT(message_of([&] {
                Dataset::from_arrays({{x, {2}}}, {{x, {}}});
              }),
              HasSubstr("expected 3 records of shape [] in array 0 of the targets, got 6 numbers"));
  EXPECT_THAT(message_of([&] {
                Dataset::from_arrays({{x, {2}}}, {});
              }),
              HasSubstr("at least one array of features and one of targets"));
  EXPECT_THAT(message_of([&] {
                Dataset::from_arrays({{x, {4}}}, {{y, {}}});
              }),
              HasSubstr("expected 1 records"));
}

}  // namespace
}  // namespace sluice::train
