// Metrics by name, and their values against Keras' (golden/make_golden.py).
#include "nn/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "backend/replica.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using backend::Metric;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(MetricsTest, NamesAreKerasWithOptionsInBrackets) {
  EXPECT_EQ(parse_metric("accuracy"), Metric{});
  EXPECT_EQ(parse_metric("acc").name, "acc");
  EXPECT_EQ(parse_metric("AUC").name, "auc");
  EXPECT_EQ(parse_metric("mse").name, "mse");
  const Metric metric = parse_metric(" precision ( class_id = 1 , threshold=0.75,name=cats)");
  EXPECT_EQ(metric.kind, Metric::Kind::kPrecision);
  EXPECT_EQ(metric.class_id, 1);
  EXPECT_EQ(metric.threshold, 0.75f);
  EXPECT_EQ(metric.name, "cats");
  EXPECT_TRUE(parse_metric("auc(curve=PR,num_thresholds=50)").of_precision_and_recall);
  EXPECT_EQ(parse_metric("auc(num_thresholds=50)").thresholds, 50);
  EXPECT_EQ(parse_metric("top_k_categorical_accuracy").k, 5);
}

TEST(MetricsTest, ListsAreSplitOutsideOfBrackets) {
  EXPECT_THAT(split_metrics("a, b(c=1,d=2) ,e"), ElementsAre("a", "b(c=1,d=2)", "e"));
  EXPECT_THAT(split_metrics(""), IsEmpty());
  EXPECT_THAT(split_metrics(" "), IsEmpty());
  EXPECT_THAT(split_metrics("a,"), ElementsAre("a", ""));
}

TEST(MetricsTest, MistakesAreNamed) {
  const auto refusal = [](const std::string& text) {
    return message_of([&] { (void)parse_metric(text); });
  };
  EXPECT_THAT(refusal("f1"), StartsWith("metric \"f1\": use one of accuracy, binary_accuracy"));
  EXPECT_THAT(refusal(""), StartsWith("metric \"\": use one of"));
  EXPECT_EQ(refusal("auc(k=3)"),
            "metric \"auc\": option \"k\" is not known; it has name, num_thresholds, curve");
  EXPECT_EQ(refusal("auc(curve=roc)"), "metric \"auc\": curve: expected ROC or PR, got \"roc\"");
  EXPECT_EQ(refusal("recall(threshold=2)"),
            "metric \"recall\": threshold: expected a number from 0 to 1, got \"2\"");
  EXPECT_THAT(refusal("recall(class_id=x)"), HasSubstr("class_id: expected a number"));
  EXPECT_THAT(refusal("recall(class_id"), HasSubstr("expected a bracket at the end"));
  EXPECT_THAT(refusal("recall(class_id)"), HasSubstr("expected OPTION=VALUE, got \"class_id\""));
}

// What metrics come to for outputs p [rows, K] and targets, in batches of 33.
struct Rows {
  std::vector<float> p, y;
  int64_t outputs;
  LossSpec loss;
};
std::vector<double> counters_for(const Metric& metric, const Rows& rows) {
  backend::Graph graph(std::vector{Shape{rows.outputs}});
  graph.outputs = {{.value = 0, .loss = rows.loss, .metrics = {metric}}};
  const auto backend = backend::open_backend({.name = "cpu"});
  const auto replica =
      (*backend)->compile(graph, {.purpose = backend::Purpose::kInference, .batch_size = 33});
  backend::StepMetrics sums;
  const auto x_size = static_cast<size_t>(rows.outputs);
  const auto y_size = static_cast<size_t>(graph.target_size());
  const size_t n = rows.p.size() / x_size;
  for (size_t begin = 0; begin < n; begin += 33) {
    const size_t count = std::min<size_t>(33, n - begin);
    sums += replica->evaluate({static_cast<int64_t>(count),
                               std::span(rows.p).subspan(begin * x_size, count * x_size),
                               std::span(rows.y).subspan(begin * y_size, count * y_size)});
  }
  return sums.counters;
}

void expect_keras(const nlohmann::json& golden, const Rows& rows) {
  const auto n = static_cast<double>(rows.p.size()) / static_cast<double>(rows.outputs);
  for (const auto& [name, value] : golden.items()) {
    SCOPED_TRACE(name);
    if (name == "p" || name == "y" || name == "classes") continue;
    const Metric metric = parse_metric(name);
    const auto counters = counters_for(metric, rows);
    ASSERT_EQ(counters.size(), counters_of(metric, rows.outputs));
    if (value.is_array()) {
      EXPECT_EQ(counters, value.get<std::vector<double>>());
    } else {
      EXPECT_NEAR(backend::result_of(metric, rows.outputs, counters, n), value.get<double>(), 2e-6);
    }
  }
}

TEST(MetricsTest, ValuesOfASingleOutputAreThoseOfKeras) {
  const auto golden = nlohmann::json::parse(read_golden("metrics.values.json"))["one"];
  const auto p = golden["p"].get<std::vector<float>>(), y = golden["y"].get<std::vector<float>>();
  expect_keras(golden, {p, y, 1, MeanSquaredError{}});
  expect_keras(golden, {p, y, 1, SparseCategoricalCrossentropy{}});
}

TEST(MetricsTest, ValuesOfSeveralClassesAreThoseOfKerasForEitherFormOfTarget) {
  const auto golden = nlohmann::json::parse(read_golden("metrics.values.json"))["four"];
  const auto p = golden["p"].get<std::vector<float>>();
  const auto classes = golden["classes"].get<std::vector<float>>();
  std::vector<float> one_hot(p.size());
  for (size_t i = 0; i < classes.size(); ++i) one_hot[4 * i + static_cast<size_t>(classes[i])] = 1;
  expect_keras(golden, {p, classes, 4, SparseCategoricalCrossentropy{}});
  expect_keras(golden, {p, one_hot, 4, CategoricalCrossentropy{}});
}

TEST(MetricsTest, OutputsThatAreNoNumbersAreNoBetterThanNone) {
  const float nan = std::nanf("");
  const Rows rows{{nan, nan, 0.5f, nan}, {0, 0}, 2, SparseCategoricalCrossentropy{}};
  EXPECT_THAT(counters_for(parse_metric("top_k_categorical_accuracy(k=2)"), rows), ElementsAre(0));
  EXPECT_THAT(counters_for(parse_metric("precision"), rows), ElementsAre(0, 0, 2));
  EXPECT_THAT(counters_for(parse_metric("confusion_matrix"), rows), ElementsAre(2, 0, 0, 0));
  const auto auc = counters_for(parse_metric("auc(num_thresholds=3)"), rows);
  EXPECT_THAT(auc, ElementsAre(2, 0, 0, 2, 0, 0));
}

}  // namespace
}  // namespace sluice::nn
