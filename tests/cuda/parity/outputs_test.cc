// Models of several inputs and outputs, and metrics, against the CPU.
#include <gtest/gtest.h>

#include "tests/cuda/parity/comparison.h"
#include "tests/cuda/parity/models.h"

namespace sluice::backend::testing {
namespace {

using enum Activation::Kind;

constexpr LossSpec kMse = MeanSquaredError{};
constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};

std::vector<Graph> several_outputs() {
  std::vector<Graph> graphs;
  {
    GraphBuilder builder({6, 6, 2});
    const ValueId image = builder.conv({.filters = 3}).activation(kTanh).flatten().dense(4).here();
    builder.input({5}).dense(4).activation(kTanh);
    const ValueId sum = builder.merge({}, {image}).here();
    const ValueId classes = builder.dense(3).activation(kSoftmax).here();
    builder.from(sum).dense(2);
    graphs.push_back(builder.build({{classes, kSparse, 0.3f}, {builder.here(), kMse, 2}}));
  }
  {
    GraphBuilder builder({2, 5});
    const ValueId classes = builder.dense(4).activation(kSoftmax).here();
    const ValueId behind = builder.dense(3).here();
    graphs.push_back(builder.build({{classes, kSparse}, {behind, kMse, 0.5f}, {classes, kMse}}));
  }
  return graphs;
}

TEST(OutputsParityTest, SeveralInputsAndOutputsTrainAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  for (const Graph& graph : several_outputs()) {
    for (const Precision precision : {Precision::kFloat32, Precision::kMixedBfloat16}) {
      const Pair pair(graph, {.batch_size = 9, .precision = precision}, 3);
      expect_parity(pair, Samples(graph, 9, 5), precision);
    }
    const Pair pair(graph, {.purpose = Purpose::kInference, .batch_size = 9}, 3);
    const Samples samples(graph, 5, 7);
    std::vector<float> y(static_cast<size_t>(5 * graph.output_size())), expected(y.size());
    pair.ours->predict(5, samples.x, y);
    pair.cpu->predict(5, samples.x, expected);
    expect_close("predictions", y, expected, 1e-5);
    expect_same_metrics(pair.ours->evaluate(samples.batch()), pair.cpu->evaluate(samples.batch()),
                        1e-5);
  }
}

std::vector<Metric> all_metrics() {
  using enum Counting::Kind;
  using Positive = Counting::Positive;
  std::vector<Metric> metrics;
  const auto add = [&](Counting counting) {
    counting.threshold = 0.3f;
    metrics.push_back({.counting = counting});
  };
  for (const Counting::Kind kind :
       {kElements, kFirstLargest, kOutcomes, kByThreshold, kPairs, kMoments, kAccuracy}) {
    add({.kind = kind});
  }
  add({.kind = kInTopK, .k = 2});
  add({.kind = kOutcomes, .positive = Positive::kAtLeast});
  for (const int64_t top_k : {1, 2, 7, 1000}) add({.kind = kOutcomes, .top_k = top_k});
  add({.kind = kOutcomes, .class_id = 0});
  add({.kind = kByThreshold, .class_id = 0, .thresholds = 9});
  for (const Positive positive : {Positive::kAbove, Positive::kLargest, Positive::kFirstLargest}) {
    add({.kind = kByClass, .positive = positive});
  }
  add({.kind = kByClass, .positive = Positive::kFirstLargest, .ignored_class = 1});
  for (const LossSpec& loss :
       {LossSpec(MeanSquaredError{}), LossSpec(MeanAbsoluteError{}), LossSpec(LogCosh{}),
        LossSpec(MeanAbsolutePercentageError{}), LossSpec(MeanSquaredLogarithmicError{}),
        LossSpec(CosineSimilarity{}), LossSpec(KLDivergence{}), LossSpec(Poisson{}),
        LossSpec(Hinge{}), LossSpec(SquaredHinge{}), LossSpec(CategoricalHinge{}),
        LossSpec(BinaryCrossentropy{.label_smoothing = 0.1f}),
        LossSpec(CategoricalCrossentropy{.from_logits = true}),
        LossSpec(SparseCategoricalCrossentropy{})}) {
    metrics.push_back({.counting = {.kind = kLosses}, .loss = loss});
  }
  return metrics;
}

// Whole numbers are the same; of sums of errors one is float32 row by row. Outputs are 8 bits of
// the inputs, so that none lies near a threshold on one device only.
TEST(MetricsParityTest, EveryCounterIsThatOfTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  for (const int64_t classes : {1, 3, 40}) {
    for (const LossSpec& loss : {LossSpec(kSparse), LossSpec(kCategorical), LossSpec(kMse)}) {
      SCOPED_TRACE(std::to_string(classes) + " classes, loss " + loss.name());
      Graph graph(std::vector{Shape{2, classes}});
      graph.outputs = {{.value = 0, .loss = loss, .metrics = all_metrics()}};
      const int64_t batch = kSlow ? 11 : 50;
      const Pair pair(graph, {.batch_size = batch}, 1);
      Samples samples(graph, batch, 4);
      for (float& value : samples.x) value = std::round(128 + 127 * value) / 256;
      if (loss == LossSpec(kMse)) {
        for (float& value : samples.y) value = value > 0.5f ? 1.0f : 0.0f;
      }
      for (const int64_t n : {batch, int64_t{7}}) {
        const StepMetrics ours = pair.ours->evaluate(samples.first(n));
        const StepMetrics reference = pair.cpu->evaluate(samples.first(n));
        ASSERT_EQ(ours.counters.size(), reference.counters.size());
        for (size_t i = 0; i < ours.counters.size(); ++i) {
          EXPECT_NEAR(ours.counters[i], reference.counters[i],
                      1e-5 * std::abs(reference.counters[i]))
              << i;
        }
      }
    }
  }
}

// Behind a softmax that the loss takes along the probabilities are measured; and a window's update
// brings the counters with it.
TEST(MetricsParityTest, ProbabilitiesAreMeasuredWhereTheLossReadsLogits) {
  SLUICE_SKIP_WITHOUT_GPU();
  GraphBuilder builder({5});
  const ValueId classes = builder.dense(4).activation(kSoftmax).here();
  Graph graph =
      builder.dense(2).build({{.value = classes, .loss = kSparse, .metrics = all_metrics()},
                              {.value = builder.here(), .loss = kMse}});
  ReplicaOptions options{.batch_size = 12};
  options.optimizer = SGD({});
  const Pair pair(graph, options, 3);
  std::vector<float> update(graph.parameter_size);
  const auto window = [&](Replica& replica) {
    replica.begin_window();
    for (uint64_t step = 0; step < 3; ++step) {
      replica.start_step(Samples(graph, 12, step).batch());
    }
    replica.start_update({}, update);
    return replica.finish_update();
  };
  const StepMetrics reference = window(*pair.cpu), ours = window(*pair.ours);
  EXPECT_EQ(ours.samples, 36);
  ASSERT_EQ(ours.counters.size(), graph.counters());
  ASSERT_EQ(reference.counters.size(), graph.counters());
  for (size_t i = 0; i < ours.counters.size(); ++i) {
    EXPECT_NEAR(ours.counters[i], reference.counters[i],
                1e-4 * std::max(36.0, std::abs(reference.counters[i])))
        << i;
  }
  EXPECT_EQ(pair.ours->take_metrics().samples, 0);
  EXPECT_EQ(window(*pair.ours).samples, 36) << "and the sums begin at zero again";
}

}  // namespace
}  // namespace sluice::backend::testing
