// Metrics by name; their values are compared with Keras' in tests/keras/metrics_test.cc.
#include "nn/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/counted_rows.h"
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
  EXPECT_EQ(parse_metric("mse").name, "mse");
  for (const char* name : {"auc", "AUC", "top_k_categorical_accuracy", "LogCoshError", "logcosh",
                           "io_u(target_class_ids=0)", "MEAN_IOU", "MeanIoU"}) {
    EXPECT_NO_THROW(parse_metric(name)) << name;
  }
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

// compile(metrics=["MSE", AUC(curve="PR")]) makes MSE and auc of these.
TEST(MetricsTest, ANameIsShownAsItWasTypedAndAClassWithArgumentsByItsOwn) {
  EXPECT_EQ(parse_metric("AUC").name, "AUC");
  EXPECT_EQ(parse_metric("MSE").name, "MSE");
  EXPECT_EQ(parse_metric("AUC(curve=PR)").name, "auc");
  EXPECT_EQ(parse_metric("MeanIoU(num_classes=2)").name, "mean_iou");
  EXPECT_EQ(parse_metric("MeanSquaredError()").name, "mean_squared_error");
  EXPECT_EQ(parse_metric("bce(label_smoothing=0.1)").name, "bce");
}

// With the arguments that it has as a loss, and what is said of them.
TEST(MetricsTest, ALossIsAMetricOfItsMean) {
  const Metric metric = parse_metric("huber(delta=2, name=h)");
  EXPECT_EQ(metric.loss, LossSpec(Huber{.delta = 2}));
  EXPECT_EQ(metric.name, "h");
  EXPECT_EQ(metric.result, Metric::Result::kMean);
  EXPECT_EQ(metric.counting.kind, backend::Counting::Kind::kLosses);
  EXPECT_EQ(parse_metric("bce(from_logits=True)").loss, LossSpec("bce(from_logits=true)"));
}

// What keras.metrics.serialize() gives, as a text.
TEST(MetricsTest, ArgumentsOfKerasConfigsThatChangeNothingArePassedOver) {
  EXPECT_EQ(parse_metric(R"(AUC(name="auc_1", dtype="float32", num_thresholds=50, curve="PR",
                summation_method="interpolation", multi_label=false, num_labels=None,
                label_weights=None, from_logits=false))"),
            parse_metric("auc(name=auc_1,num_thresholds=50,curve=PR)"));
  EXPECT_EQ(parse_metric(R"(Precision(name="precision", dtype="float32", thresholds=None, top_k=2,
                class_id=None))"),
            parse_metric("precision(top_k=2)"));
  EXPECT_EQ(parse_metric(R"(R2Score(class_aggregation=None))").average, Metric::Average::kNone);
  EXPECT_EQ(parse_metric(R"(OneHotIoU(num_classes=2, target_class_ids=[0], name="i", dtype="int64",
                ignore_class=None, sparse_y_pred=false, axis=-1))"),
            parse_metric("one_hot_iou(num_classes=2,target_class_ids=[0],name=i)"));
}

TEST(MetricsTest, AnOutputsNameMayStandBeforeAMetric) {
  EXPECT_EQ(split_output("classes:auc(name=a:b)").output, "classes");
  EXPECT_EQ(split_output("classes:auc(name=a:b)").metric, "auc(name=a:b)");
  EXPECT_EQ(split_output("a:b:auc").output, "a:b");
  EXPECT_EQ(split_output("auc").output, "");
}

TEST(MetricsTest, ListsAreSplitOutsideOfBrackets) {
  EXPECT_THAT(split_metrics("a, b(c=1,d=2) ,e"), ElementsAre("a", "b(c=1,d=2)", "e"));
  EXPECT_THAT(split_metrics(""), IsEmpty());
  EXPECT_THAT(split_metrics(" "), IsEmpty());
  EXPECT_THAT(split_metrics("a,"), ElementsAre("a", ""));
  EXPECT_THAT(split_metrics("a(b=[0,1],c=2), d"), ElementsAre("a(b=[0,1],c=2)", "d"));
  EXPECT_THAT(split_metrics("a(b=')'), c(d=\"(,'\"),e"),
              ElementsAre("a(b=')')", "c(d=\"(,'\")", "e"));
}

TEST(MetricsTest, MistakesAreNamed) {
  const auto refusal = [](const std::string& text) {
    return message_of([&] { (void)parse_metric(text); });
  };
  EXPECT_THAT(refusal("f1"), StartsWith("metric \"f1\": use \"accuracy\", \"binary_accuracy\""));
  EXPECT_THAT(refusal("f1"), HasSubstr("\"iou\", \"mean_iou\", \"one_hot_iou\""));
  EXPECT_THAT(refusal("f1"), HasSubstr("\"mse\", \"mae\""));
  EXPECT_THAT(refusal("f1"), testing::Not(HasSubstr("dice")));
  EXPECT_EQ(refusal("precision_at_recall"),
            "metric \"precision_at_recall\": needs recall: \"precision_at_recall(recall=...)\"");
  EXPECT_EQ(
      refusal("f1_score(average=mean)"),
      "metric \"f1_score\": \"average\" must be micro, macro, weighted or None, got \"mean\"");
  EXPECT_EQ(refusal("iou(target_class_ids=[])"),
            "metric \"iou\": \"target_class_ids\" must be class numbers like [0, 2], got []");
  EXPECT_THAT(refusal("iou(target_class_ids=[-1])"), HasSubstr("must be a whole number from 0"));
  EXPECT_THAT(refusal("fbeta_score(beta=0)"), HasSubstr("\"beta\" must be a number"));
  EXPECT_THAT(refusal("fbeta_score(beta=1e300)"), HasSubstr("\"beta\" must be a number"));
  EXPECT_EQ(refusal(""), "\"\": expected a name at character 1");
  EXPECT_EQ(refusal("auc(k=3)"),
            "metric \"auc\" has no argument \"k\": use \"num_thresholds\", \"curve\" or \"name\"");
  EXPECT_EQ(refusal("auc(curve=roc)"), "metric \"auc\": \"curve\" must be ROC or PR, got \"roc\"");
  EXPECT_EQ(
      refusal("auc(summation_method=majoring)"),
      "metric \"auc\" has no argument \"summation_method\": use \"num_thresholds\", \"curve\" "
      "or \"name\"");
  EXPECT_EQ(refusal("recall(threshold=2)"),
            "metric \"recall\": \"threshold\" must be a number from 0 to 1, got 2");
  EXPECT_EQ(refusal("auc(name='')"),
            "metric \"auc\": \"name\" must be a name to show it under, got \"\"");
  EXPECT_THAT(refusal("recall(class_id=x)"), HasSubstr("\"class_id\" must be a whole number"));
  EXPECT_THAT(refusal("recall(class_id=1.5)"), HasSubstr("\"class_id\" must be a whole number"));
  // As of losses and optimizers.
  EXPECT_EQ(refusal("recall(class_id"),
            "\"recall(class_id\": expected ARGUMENT=VALUE at character 16");
  EXPECT_EQ(refusal("recall(0.5)"), "\"recall(0.5)\": expected ARGUMENT=VALUE at character 8");
  EXPECT_EQ(refusal("recall(class_id=1,class_id=2)"),
            "\"recall(class_id=1,class_id=2)\": \"class_id\" is given twice at character 27");
  EXPECT_EQ(refusal("huber(delta=-1)"), "metric \"huber\": delta = -1: must be finite and above 0");
  EXPECT_EQ(refusal("mse(from_logits=true)"),
            "metric \"mean_squared_error\" has no argument \"from_logits\": leave it out");
  EXPECT_EQ(refusal("sparse_categorical_crossentropy(ignore_class=1)"),
            "metric \"sparse_categorical_crossentropy\" has no argument \"ignore_class\": use "
            "\"from_logits\" or \"name\"");
  EXPECT_EQ(refusal("dice(axis=1)"),
            "metric \"dice\": is a loss of whole batches, and would depend on how large they are");
}

std::vector<double> counters_for(const Metric& metric, const Rows& rows) {
  return counters_of({metric}, rows, {33});
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
