// Metrics by name; their values are compared with Keras' in tests/keras/metrics_test.cc.
#include "nn/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_EQ(metric.result, Metric::Result::kPrecision);
  EXPECT_EQ(metric.counting.class_id, 1);
  EXPECT_EQ(metric.counting.threshold, 0.75f);
  EXPECT_EQ(metric.name, "cats");
  EXPECT_EQ(parse_metric("auc(curve=PR,num_thresholds=50)").result,
            Metric::Result::kAreaUnderPrecisionAndRecall);
  EXPECT_EQ(parse_metric("auc(num_thresholds=50)").counting.thresholds, 50);
  EXPECT_EQ(parse_metric("top_k_categorical_accuracy").counting.k, 5);
  EXPECT_THAT(parse_metric("iou(target_class_ids=[0, 2], name=both)").class_ids, ElementsAre(0, 2));
  EXPECT_THAT(parse_metric("IoU(target_class_ids=(1,))").class_ids, ElementsAre(1));
  EXPECT_EQ(parse_metric("bce(label_smoothing=0.25)").loss,
            LossSpec(BinaryCrossentropy{.label_smoothing = 0.25f}));
}

// Keras' own: of the k largest outputs all are positive.
TEST(MetricsTest, TopKHasAnotherThresholdUnlessOneIsGiven) {
  EXPECT_EQ(parse_metric("precision").counting.threshold, 0.5f);
  EXPECT_EQ(parse_metric("precision(top_k=2)").counting.threshold, -1e10f);
  EXPECT_EQ(parse_metric("precision(threshold=0.25,top_k=2)").counting.threshold, 0.25f);
  EXPECT_EQ(parse_metric("precision(top_k=2,thresholds=0.25)").counting.threshold, 0.25f);
}

TEST(MetricsTest, ListsAreSplitOutsideOfBrackets) {
  EXPECT_THAT(split_metrics("a, b(c=1,d=2) ,e"), ElementsAre("a", "b(c=1,d=2)", "e"));
  EXPECT_THAT(split_metrics(""), IsEmpty());
  EXPECT_THAT(split_metrics(" "), IsEmpty());
  EXPECT_THAT(split_metrics("a,"), ElementsAre("a", ""));
  EXPECT_THAT(split_metrics("a(b=[0,1],c=2), d"), ElementsAre("a(b=[0,1],c=2)", "d"));
}

TEST(MetricsTest, MistakesAreNamed) {
  const auto refusal = [](const std::string& text) {
    return message_of([&] { (void)parse_metric(text); });
  };
  EXPECT_THAT(refusal("f1"), StartsWith("metric \"f1\": use one of accuracy, binary_accuracy"));
  EXPECT_EQ(refusal("precision_at_recall"),
            "metric \"precision_at_recall\": needs recall: \"precision_at_recall(recall=...)\"");
  EXPECT_EQ(refusal("f1_score(average=mean)"),
            "metric \"f1_score\": average: expected micro, macro, weighted or None, got \"mean\"");
  EXPECT_EQ(refusal("iou(target_class_ids=[])"),
            "metric \"io_u\": target_class_ids: expected class numbers like [0, 2], got \"[]\"");
  EXPECT_THAT(refusal("iou(target_class_ids=[-1])"), HasSubstr("expected a number from 0"));
  EXPECT_THAT(refusal("fbeta_score(beta=0)"), HasSubstr("beta: expected a number"));
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

TEST(MetricsTest, OutputsThatAreNoNumbersAreNoBetterThanNone) {
  const float nan = std::nanf("");
  const Rows rows{{nan, nan, 0.5f, nan}, {0, 0}, 2, SparseCategoricalCrossentropy{}};
  EXPECT_THAT(counters_for(parse_metric("top_k_categorical_accuracy(k=2)"), rows), ElementsAre(0));
  EXPECT_THAT(counters_for(parse_metric("precision"), rows), ElementsAre(0, 0, 2, 2));
  EXPECT_THAT(counters_for(parse_metric("precision(top_k=1)"), rows), ElementsAre(1, 0, 2, 1));
  EXPECT_THAT(counters_for(parse_metric("f1_score"), rows), ElementsAre(1, 0, 0, 0, 1, 0));
  EXPECT_THAT(counters_for(parse_metric("confusion_matrix"), rows), ElementsAre(2, 0, 0, 0));
  const auto auc = counters_for(parse_metric("auc(num_thresholds=3)"), rows);
  EXPECT_THAT(auc, ElementsAre(2, 0, 0, 1, 1, 0));
}

}  // namespace
}  // namespace sluice::nn
