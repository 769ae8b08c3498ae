// Training over several steps against the CPU: optimizers, windows, batches of other sizes, the
// user's own operations, and what a replica promises of itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <ostream>

#include "tests/cuda/parity/comparison.h"
#include "tests/support/optimizers.h"

namespace sluice::backend::testing {
namespace {

using core::Rng;
using ::testing::HasSubstr;
using enum Activation::Kind;

constexpr LossSpec kMse = MeanSquaredError{};
constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};

// Smooth, with an asymmetric padding and a strided pooling.
// Under a sanitizer an emulated GPU is some twenty times as slow: less of the same is tested there.
#if defined(SLUICE_SANITIZED)
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif

Graph small_cnn() {
  return GraphBuilder({9, 10, 2})
      .conv({.filters = kSlow ? 4 : 12, .padding = {.top = 0, .bottom = 1, .left = 1, .right = 0}})
      .activation(kTanh)
      .pool({.kind = Pool2DOp::Kind::kAverage})
      .dropout(0.3f, 11)
      .flatten()
      .dense(kSlow ? 7 : 21)
      .activation(kSigmoid)
      .dense(5)
      .activation(kSoftmax)
      .build(kSparse);
}

// With state between what is trained.
Graph normalized_cnn() {
  return GraphBuilder({6, 5, 3})
      .conv({.filters = 10})
      .batch_norm()
      .activation(Activation::kRelu)
      .flatten()
      .dense(5)
      .batch_norm()
      .activation(kSoftmax)
      .build(kSparse);
}

// --- Optimizers ---

std::vector<OptimizerSpec> optimizers() {
  Rng rng(17);
  const auto any = [&](float low, float high) { return rng.uniform(low, high); };
  std::vector<OptimizerSpec> specs = every_setting();
  for (int i = 0; i < 3; ++i) {
    const float rate = any(0.001f, 0.05f);
    specs.push_back(SGD({.learning_rate = rate}));
    specs.push_back(SGD({.learning_rate = rate, .momentum = any(0.1f, 0.9f)}));
    specs.push_back(SGD({.learning_rate = rate, .momentum = any(0.1f, 0.9f), .nesterov = true}));
    specs.push_back(RMSprop({.learning_rate = rate, .rho = any(0.5f, 0.95f)}));
    specs.push_back(RMSprop({.learning_rate = rate, .momentum = any(0.1f, 0.9f)}));
    specs.push_back(RMSprop({.learning_rate = rate, .epsilon = 1e-3f, .centered = true}));
    specs.push_back(RMSprop(
        {.learning_rate = rate, .momentum = any(0.1f, 0.9f), .epsilon = 1e-3f, .centered = true}));
    specs.push_back(
        Adagrad({.learning_rate = rate, .initial_accumulator_value = any(0.01f, 0.5f)}));
    specs.push_back(
        Adam({.learning_rate = rate, .beta_1 = any(0.5f, 0.95f), .beta_2 = any(0.9f, 0.999f)}));
  }
  return specs;
}

// From equal gradients an optimizer makes equal bits; those of two devices are equal to 1e-5 only,
// and Adam's first steps, m / sqrt(v), may turn that around where a gradient is almost zero.
constexpr double kAfterSteps = 1e-3;

TEST(OptimizerParityTest, EveryOneTrainsAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  for (const OptimizerSpec& spec : optimizers()) {
    SCOPED_TRACE(spec.name + ", learning rate " + std::to_string(spec.learning_rate.number));
    ReplicaOptions options{.batch_size = 8};
    options.optimizer = spec;
    const Pair pair(graph, options, 3, 0.3f);
    const std::vector<float> before = copy_of(pair.cpu->parameters());
    for (uint64_t step = 0; step < 6; ++step) {
      const Samples samples(graph, 8, 100 + step);
      expect_same_metrics(pair.ours->train_step(samples.batch()),
                          pair.cpu->train_step(samples.batch()), kAfterSteps);
    }
    // Of what the steps changed, not of the parameters, which are large beside it.
    std::vector<float> ours = copy_of(pair.ours->parameters());
    std::vector<float> reference = copy_of(pair.cpu->parameters());
    for (size_t i = 0; i < before.size(); ++i) {
      ours[i] -= before[i];
      reference[i] -= before[i];
    }
    expect_close("steps", ours, reference, kAfterSteps);
  }
}

// On a GPU one kernel steps all that is trained, which lies together.
TEST(OptimizerParityTest, WhatIsFrozenStaysAndWhatIsSharedStepsOnce) {
  SLUICE_SKIP_WITHOUT_GPU();
  GraphBuilder builder({6});
  builder.dense(7).activation(kTanh).dense(7).activation(kTanh);
  Graph graph = builder.share(2).dense(7).dense(5).build(kMse);
  auto& frozen = std::get<DenseOp>(graph.ops[0].kind);
  frozen.kernel.role = frozen.bias->role = ParameterRole::kFrozen;
  for (const OptimizerSpec& spec : optimizers()) {
    ReplicaOptions options{.batch_size = 8};
    options.optimizer = spec;
    const Pair pair(graph, options, 3, 0.3f);
    const std::vector<float> before = copy_of(pair.ours->parameters());
    for (uint64_t step = 0; step < 3; ++step) {
      const Samples samples(graph, 8, 100 + step);
      expect_same_metrics(pair.ours->train_step(samples.batch()),
                          pair.cpu->train_step(samples.batch()), kAfterSteps);
    }
    const std::vector<float> after = copy_of(pair.ours->parameters());
    const auto trained = static_cast<std::ptrdiff_t>(frozen.bias->offset + frozen.bias->size);
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + trained, after.begin()));
    expect_close("parameters", after, pair.cpu->parameters(), kAfterSteps);
  }
}

// Of the first layer the kernel, of the second both, whose size is no multiple of anything.
TEST(OptimizerParityTest, WeightDecayLeavesOutTheSameParameters) {
  SLUICE_SKIP_WITHOUT_GPU();
  GraphBuilder builder({6});
  const Graph graph =
      builder.dense(37).activation(kTanh).dense(9).activation(kTanh).dense(5).build(LossSpec(kMse));
  const auto& first = std::get<DenseOp>(graph.ops[0].kind).kernel;
  const auto& second = std::get<DenseOp>(graph.ops[2].kind);
  ReplicaOptions options{.batch_size = 8, .precision = Precision::kFloat32};
  options.optimizer = AdamW({.learning_rate = 0.01f, .weight_decay = 5});
  options.undecayed = {{first.offset, first.size},
                       {second.kernel.offset, second.kernel.size + second.bias->size}};
  const Pair pair(graph, options, 3, 0.3f);
  for (uint64_t step = 0; step < 6; ++step) {
    const Samples samples(graph, 8, 100 + step);
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), kAfterSteps);
  }
  expect_close("parameters", copy_of(pair.ours->parameters()), pair.cpu->parameters(), kAfterSteps);
}

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

TEST(InferenceParityTest, ABatchOfAnySizeGivesWhatTheCpuGives) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  const Pair pair(graph, {.purpose = Purpose::kInference, .batch_size = 21}, 3, 0.3f);
  for (const int64_t n : {1, 2, 3, 5, 8, 16, 17, 21}) {
    const Samples samples(graph, n, 100);
    std::vector<float> y(static_cast<size_t>(n * graph.output_size())), expected(y.size());
    pair.ours->predict(n, samples.x, y);
    pair.cpu->predict(n, samples.x, expected);
    expect_close("predictions", y, expected, 1e-5);
    const StepMetrics ours = pair.ours->evaluate(samples.batch());
    expect_same_metrics(ours, pair.cpu->evaluate(samples.batch()), 1e-5);
    EXPECT_EQ(ours.samples, n);
  }
  EXPECT_THROW(pair.ours->start_step(Samples(graph, 2, 1).batch()), std::logic_error);
  EXPECT_THROW(pair.ours->gradients(), std::logic_error);
  EXPECT_THROW(pair.ours->begin_window(), std::logic_error);
}

TEST(ReplicaParityTest, AnyNumberOfBatchSizesTrains) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 20};
  options.optimizer = SGD({});
  const Pair pair(graph, options, 3, 0.3f);
  for (int64_t n = 1; n <= 21; ++n) {
    const Samples samples(graph, n % 20 + 1, 100);
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), kAfterSteps);
  }
}

TEST(OptimizerParityTest, EqualGradientsGiveEqualBits) {
  SLUICE_SKIP_WITHOUT_GPU();
  // One product of exact numbers: d/dw (w x - y)^2.
  const Graph graph = GraphBuilder({1}).dense(1, false).build(kMse);
  for (const OptimizerSpec& spec : optimizers()) {
    ReplicaOptions options{.batch_size = 1};
    options.optimizer = spec;
    const Pair pair(graph, options, 3);
    const std::vector<float> x{1};
    for (const float target : {0.5f, -2.0f, 1.5f, 0.0f}) {
      const std::vector<float> y{target};
      pair.ours->train_step({1, x, y});
      pair.cpu->train_step({1, x, y});
      if (spec == Ftrl({.learning_rate_power = -0.75f})) {  // powers are rounded alike or not
        EXPECT_FLOAT_EQ(pair.ours->parameters()[0], pair.cpu->parameters()[0]);
      } else {
        EXPECT_EQ(pair.ours->parameters()[0], pair.cpu->parameters()[0]) << spec.name;
      }
    }
    pair.ours->adopt_averages();
    pair.cpu->adopt_averages();
    EXPECT_FLOAT_EQ(pair.ours->parameters()[0], pair.cpu->parameters()[0]) << spec.name;
  }
}

TEST(OptimizerParityTest, MixedPrecisionKeepsFloat32Parameters) {
  SLUICE_SKIP_WITHOUT_GPU();
  if (!(*gpu())->check(Precision::kMixedBfloat16).ok()) GTEST_SKIP() << "no bfloat16";
  const Graph graph = GraphBuilder({4}).dense(3).build(kMse);
  ReplicaOptions options{.batch_size = 4, .precision = Precision::kMixedBfloat16};
  options.optimizer = SGD({.learning_rate = 1e-4f});  // steps below bfloat16's resolution
  const Pair pair(graph, options, 3);
  const Samples samples(graph, 4, 5);
  const std::vector<float> before = copy_of(pair.ours->parameters());
  for (int step = 0; step < 20; ++step) pair.ours->train_step(samples.batch());
  int moved = 0;
  for (size_t i = 0; i < before.size(); ++i) moved += before[i] != pair.ours->parameters()[i];
  EXPECT_GT(moved, static_cast<int>(before.size()) * 3 / 4);
}

// --- Windows ---

std::vector<float> centre_of(const Graph& graph, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> centre(graph.parameter_size);
  for (float& value : centre) value = rng.uniform(-0.3f, 0.3f);
  return centre;
}

// What a worker does with overlap, on one replica; the updates it would push, and at the end its
// parameters.
std::vector<std::vector<float>> exchange(Replica& replica, std::vector<StepMetrics>& metrics) {
  const Graph& graph = replica.graph();
  const auto centre = replica.make_exchange_buffer();
  std::vector<std::shared_ptr<core::AlignedBuffer>> buffers;
  const auto fill_centre = [&](uint64_t seed) {
    const auto values = centre_of(graph, seed);
    std::copy(values.begin(), values.end(), centre->data());
  };
  fill_centre(1);
  replica.adopt(centre->span(), OwnUpdate::kIncluded);
  for (uint64_t window = 0; window < 4; ++window) {
    for (uint64_t step = 0; step < 3; ++step) {
      replica.start_step(Samples(graph, 6, 10 * window + step).batch());
    }
    if (window > 0) metrics.push_back(replica.finish_update());  // of the window before
    buffers.push_back(replica.make_exchange_buffer());
    replica.start_update({.trained = 1.0f / 3, .state = 0.25f}, buffers.back()->span());
    if (window == 1) {
      replica.begin_window();
    } else {
      fill_centre(2 + window);
      replica.adopt(centre->span(), window == 3 ? OwnUpdate::kIncluded : OwnUpdate::kMissing);
    }
    // The centre may be written to again only now.
    if (window == 0 || window == 2) metrics.push_back(replica.finish_update());
  }
  metrics.push_back(replica.finish_update());
  std::vector<std::vector<float>> results;
  for (const auto& buffer : buffers) results.push_back(copy_of(buffer->span()));
  results.push_back(copy_of(replica.parameters()));
  return results;
}

TEST(WindowParityTest, UpdatesAndCentresAreTheCpus) {
  SLUICE_SKIP_WITHOUT_GPU();
  struct Case {
    Graph graph;
    bool local;
    optim::NormClip clip;
  };
  for (const auto& [graph, local, clip] :
       {Case{small_cnn(), true, {}}, Case{small_cnn(), false, {}}, Case{normalized_cnn(), true, {}},
        Case{normalized_cnn(), false, {}}, Case{normalized_cnn(), false, {.each = 0.01f}},
        Case{small_cnn(), false, {.global = 0.01f}}}) {
    ReplicaOptions options{.batch_size = 6, .update_clip = clip};
    if (local) options.optimizer = SGD({.learning_rate = 0.1f, .momentum = 0.5f});
    const Pair pair(graph, options, 3);
    std::vector<StepMetrics> our_metrics, cpu_metrics;
    const auto ours = exchange(*pair.ours, our_metrics);
    const auto reference = exchange(*pair.cpu, cpu_metrics);
    ASSERT_EQ(ours.size(), reference.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      SCOPED_TRACE(std::string(local ? "changes" : "gradients") + " of " + graph.ops[1].name +
                   ", result " + std::to_string(i));
      expect_close("update", ours[i], reference[i], 1e-4);
    }
    ASSERT_EQ(our_metrics.size(), cpu_metrics.size());
    for (size_t i = 0; i < our_metrics.size(); ++i) {
      expect_same_metrics(our_metrics[i], cpu_metrics[i], 1e-4);
    }
  }
}

TEST(WindowParityTest, AnUpdateIsTheScaledChangeOfItsParameters) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 6};
  options.optimizer = "adam";
  const Pair pair(graph, options, 3);
  pair.ours->begin_window();
  const std::vector<float> before = copy_of(pair.ours->parameters());
  const Samples samples(graph, 6, 9);
  for (int step = 0; step < 3; ++step) pair.ours->start_step(samples.batch());
  const auto update = pair.ours->make_exchange_buffer();
  pair.ours->start_update({.trained = 0.5f}, update->span());
  EXPECT_EQ(pair.ours->finish_update().samples, 18);
  EXPECT_EQ(pair.ours->take_metrics().samples, 0);
  const auto after = pair.ours->parameters();
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(update->data()[i], (after[i] - before[i]) * 0.5f) << i;
  }
}

// --- What a replica promises ---

TEST(CudaReplicaTest, BatchesOfOtherSizesLeaveNoTraces) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  const Pair pair(graph, {.batch_size = 16}, 3);
  for (const int64_t n : {16, 5, 16, 1, 5, 11}) {
    const Samples samples(graph, n, static_cast<uint64_t>(n));
    expect_same_metrics(pair.ours->evaluate(samples.batch()), pair.cpu->evaluate(samples.batch()),
                        1e-5);
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), 1e-5);
    expect_close("gradients", pair.ours->gradients(), pair.cpu->gradients(), 1e-4);
  }
}

TEST(CudaReplicaTest, BatchesMayLieInItsBuffersOrAnywhere) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 4};
  options.optimizer = SGD({.learning_rate = 0.1f});
  const auto run = [&](bool in_buffers) {
    const Pair pair(graph, options, 3);
    for (uint64_t step = 0; step < 7; ++step) {
      const Samples samples(graph, 4, step);
      if (in_buffers) {
        const BatchBuffers buffers = pair.ours->batch_buffers();
        const auto x = buffers.x.first(samples.x.size()), y = buffers.y.first(samples.y.size());
        std::copy(samples.x.begin(), samples.x.end(), x.begin());
        std::copy(samples.y.begin(), samples.y.end(), y.begin());
        pair.ours->start_step({4, x, y});
      } else {
        pair.ours->start_step(samples.batch());
      }
    }
    return pair.ours->take_metrics().loss_sum;
  };
  EXPECT_NEAR(run(true), run(false), 1e-5);
}

TEST(CudaReplicaTest, DeterministicRunsAreEqualBitForBit) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  for (const Precision precision :
       {Precision::kFloat32, Precision::kTf32, Precision::kMixedBfloat16}) {
    if (!(*gpu())->check(precision).ok()) continue;
    const auto run = [&] {
      ReplicaOptions options{.batch_size = 4, .precision = precision, .deterministic = true};
      options.optimizer = "adam";
      const Pair pair(graph, options, 3, 0.1f);
      for (uint64_t step = 0; step < 3; ++step) {
        pair.ours->start_step(Samples(graph, 4, step).batch());
      }
      return copy_of(pair.ours->parameters());
    };
    EXPECT_EQ(run(), run());
  }
}

// Whatever the outputs are, both devices call the same rows correct.
TEST(CudaReplicaTest, NanIsPassedOverAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<std::vector<float>> rows = {
      {kNan, 1, 0}, {0, kNan, 3},       {kNan, kNan, kNan},    {-kInf, -kInf, kNan},
      {0, kInf, 1}, {-kInf, 1, 2},      {-kInf, -kInf, -kInf}, {2, 1, kNan},
      {1, 2, 3},    {kInf, -kInf, kNan}};
  for (const Activation last : {kLinear, kSoftmax}) {
    const Pair pair(GraphBuilder({3}).activation(last).build(kSparse), {.batch_size = 1}, 1);
    for (size_t row = 0; row < rows.size(); ++row) {
      for (const float label : {0.0f, 1.0f, 2.0f}) {
        const Batch batch{1, rows[row], {&label, 1}};
        EXPECT_EQ(pair.ours->evaluate(batch).counters, pair.cpu->evaluate(batch).counters)
            << "row " << row << ", class " << label << (last == kSoftmax ? ", softmax" : "");
      }
    }
  }
}

TEST(CudaReplicaTest, ALogitOfMinusInfinityCostsAsMuchAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const std::vector<float> z = {0, 1, -std::numeric_limits<float>::infinity()};
  for (const LossSpec& loss : {kSparse, kCategorical}) {
    const Pair pair(GraphBuilder({3}).activation(kSoftmax).build(loss), {.batch_size = 1}, 1);
    for (size_t wanted = 0; wanted < z.size(); ++wanted) {
      std::vector<float> y(loss == kSparse ? 1 : z.size());
      y[loss == kSparse ? 0 : wanted] = loss == kSparse ? static_cast<float>(wanted) : 1.0f;
      const double ours = pair.ours->evaluate({1, z, y}).loss_sum;
      EXPECT_FLOAT_EQ(ours, pair.cpu->evaluate({1, z, y}).loss_sum) << "class " << wanted;
      EXPECT_EQ(std::isfinite(ours), wanted < 2) << "class " << wanted;
    }
  }
}

TEST(CudaReplicaTest, MistakesAreRefusedAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  const Pair pair(graph, {.batch_size = 4}, 3);
  const auto refusals = [&](Replica& replica) {
    std::vector<std::string> messages;
    const auto refused = [&](const auto& call) {
      try {
        call();
        messages.push_back("accepted");
      } catch (const std::invalid_argument& error) {
        messages.push_back(error.what());
      }
    };
    Samples samples(graph, 5, 1);
    refused([&] { replica.train_step(samples.batch()); });
    refused([&] { replica.train_step({4, samples.x, samples.y}); });
    refused([&] { replica.evaluate({2, std::span(samples.x).first(360), samples.y}); });
    samples.y[1] = 5;
    refused([&] { replica.train_step(samples.first(4)); });
    samples.y[1] = -1;
    refused([&] { replica.evaluate(samples.first(4)); });
    return messages;
  };
  const auto ours = refusals(*pair.ours);
  EXPECT_EQ(ours, refusals(*pair.cpu));
  EXPECT_THAT(ours, ::testing::Not(::testing::Contains("accepted")));
  ReplicaOptions options{.batch_size = 4};
  options.optimizer = "sgd";
  EXPECT_THROW(Pair(graph, options, 1).ours->gradients(), std::logic_error);
}

// --- Operations of the user's program ---

// y = a x + b with two scalar parameters; throws once x has a number above `limit`.
class AffineKernel : public HostKernel {
 public:
  explicit AffineKernel(float limit = 1e9f) : limit_(limit) {}
  void forward(const Forward& args) const override {
    for (size_t i = 0; i < args.y.size(); ++i) {
      if (args.x[i] > limit_) throw std::runtime_error("affine: too large");
      args.y[i] = args.parameters[0][0] * args.x[i] + args.parameters[1][0];
      if (args.training) args.y[i] *= 2;
    }
  }
  void backward(const Backward& args) const override {
    float da = 0, db = 0;
    for (size_t i = 0; i < args.dy.size(); ++i) {
      da += 2 * args.dy[i] * args.x[i];
      db += 2 * args.dy[i];
      if (!args.dx.empty()) args.dx[i] = 2 * args.parameters[0][0] * args.dy[i];
    }
    args.dparameters[0][0] = da;
    args.dparameters[1][0] = db;
  }

 private:
  const float limit_;
};

Graph with_host_op(float limit = 1e9f) {
  return GraphBuilder({6})
      .dense(4)
      .host(std::make_shared<AffineKernel>(limit), {1, 1})
      .dense(3)
      .host(std::make_shared<IdentityKernel>())
      .build(kMse);
}

TEST(HostOpParityTest, TheUsersOwnArithmeticRunsInTheStep) {
  SLUICE_SKIP_WITHOUT_GPU();
  for (const Precision precision : {Precision::kFloat32, Precision::kMixedBfloat16}) {
    if (!(*gpu())->check(precision).ok()) continue;
    const Graph graph = with_host_op();
    const Pair pair(graph, {.batch_size = 5, .precision = precision}, 3);
    expect_parity(pair, Samples(graph, 5, 4), precision);
  }
}

TEST(HostOpParityTest, ItIsCalledOnceForAStep) {
  SLUICE_SKIP_WITHOUT_GPU();
  class Counting : public IdentityKernel {
   public:
    void forward(const Forward& args) const override {
      ++forwards;
      IdentityKernel::forward(args);
    }
    void backward(const Backward& args) const override {
      ++backwards;
      IdentityKernel::backward(args);
    }
    mutable std::atomic<int> forwards{0}, backwards{0};
  };
  const auto kernel = std::make_shared<Counting>();
  const Graph graph = GraphBuilder({6}).dense(4).host(kernel).dense(3).build(kMse);
  const auto replica = (*gpu())->compile(graph, {.batch_size = 5});
  for (int step = 0; step < 3; ++step) replica->train_step(Samples(graph, 5, 4).batch());
  replica->train_step(Samples(graph, 2, 4).batch());
  EXPECT_EQ(kernel->forwards, 4);
  EXPECT_EQ(kernel->backwards, 4);
}

TEST(HostOpParityTest, WhatItThrowsComesOutOfTheNextCallThatWaits) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = with_host_op(-1e9f);
  const Pair pair(graph, {.batch_size = 5}, 3);
  const Samples samples(graph, 5, 4);
  const auto message = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "nothing";
  };
  EXPECT_EQ(message([&] { pair.ours->train_step(samples.batch()); }), "affine: too large");
  EXPECT_EQ(message([&] { pair.ours->evaluate(samples.batch()); }), "affine: too large");
  pair.ours->begin_window();
  pair.ours->start_step(samples.batch());
  const auto update = pair.ours->make_exchange_buffer();
  pair.ours->start_update({.trained = 1}, update->span());
  EXPECT_EQ(message([&] { pair.ours->finish_update(); }), "affine: too large");
  EXPECT_EQ(message([&] { pair.ours->take_metrics(); }), "nothing") << "it is told once";
}

// --- Memory ---

TEST(GpuMemoryTest, ABoundIsKeptAndNamed) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto plugin = cuda_plugin();
  ASSERT_TRUE(plugin.ok());
  const auto gpus = (*plugin)->gpus();
  ASSERT_TRUE(gpus.ok());
  // The tests' own backend keeps the first device without a bound for as long as it has replicas.
  const auto bounded = (*plugin)->open(gpus->front(), 40 << 20);
  const Graph large = GraphBuilder({1024}).dense(4096).dense(10).build(kMse);
  try {
    bounded->compile(large, {.batch_size = 1});
    FAIL() << "16 MiB of parameters, as many of gradients and the workspace fit in 40 MiB";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--gpu-memory"));
    EXPECT_THAT(error.what(), HasSubstr("40 MiB"));
  }
  const Graph small = GraphBuilder({10}).dense(4).build(kMse);
  EXPECT_NE(bounded->compile(small, {.batch_size = 1}), nullptr);
}

}  // namespace
}  // namespace sluice::backend::testing
