// What a replica promises beyond single operations: fusion changes nothing, partial batches,
// threads, repeatability, the optimizer, mistakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "optim/optimizer.h"
#include "sluice/errors.h"
#include "tests/backend/graph_builder.h"
#include "tests/support/optimizers.h"

namespace sluice::backend::testing {
namespace {

using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};
constexpr LossSpec kMse = MeanSquaredError{};

// The project's CNN in small: images of 12 x 12.
Graph small_cnn() {
  return GraphBuilder({12, 12, 1})
      .conv({.filters = 32})
      .activation(Activation::kRelu)
      .conv({.filters = 32})
      .activation(Activation::kRelu)
      .max_pool()
      .flatten()
      .dense(45)
      .activation(Activation::kRelu)
      .dense(10)
      .activation(Activation::kSoftmax)
      .build(kSparse);
}

std::vector<float> gradients_of(const Graph& graph, const ReplicaOptions& options,
                                const Batch& batch) {
  auto replica = make_replica(graph, options, 1, 0.2f);
  replica->train_step(batch);
  return copy_of(replica->gradients());
}

TEST(FusionTest, FusedActivationsGiveWhatSeparateOnesGive) {
  for (Activation activation : {Activation::kRelu, Activation::kSigmoid, Activation::kTanh}) {
    const auto build = [activation](bool wall) {
      const auto identity = std::make_shared<IdentityKernel>();
      GraphBuilder builder({8, 8, 2});
      builder.conv({.filters = 16});
      if (wall) builder.host(identity);
      builder.activation(activation);
      if (wall) builder.host(identity);
      builder.max_pool().flatten().dense(7);
      if (wall) builder.host(identity);
      builder.activation(activation).dense(3);
      if (wall) builder.host(identity);
      return builder.activation(Activation::kSoftmax).build(kSparse);
    };
    const Graph fused = build(false), apart = build(true);
    const Samples samples(fused, 5, 3);
    EXPECT_THAT(
        gradients_of(fused, {.batch_size = 5}, samples.batch()),
        Pointwise(FloatNear(1e-5f), gradients_of(apart, {.batch_size = 5}, samples.batch())));
  }
}

TEST(LayoutTest, ConvolutionsAmongOpsThatTakeNoBlocksComeToTheSame) {
  // Identities of the host take images channels last only.
  const auto build = [](bool wall) {
    const auto identity = std::make_shared<IdentityKernel>();
    const ConvSpec same{.filters = 32, .padding = {1, 1, 1, 1}};
    GraphBuilder builder({8, 8, 3});
    builder.conv(same);
    if (wall) builder.host(identity);
    const ValueId fork = builder.here();
    builder.conv(same).activation(Activation::kTanh);
    if (wall) builder.host(identity);
    const ValueId one = builder.here();
    builder.from(fork).conv(same).activation(Activation::kTanh).merge({}, {one, fork});
    if (wall) builder.host(identity);
    return builder.max_pool().flatten().dense(3).build(kMse);
  };
  const Graph in_blocks = build(false), walled = build(true);
  const Samples samples(in_blocks, 16, 3);
  for (const int threads : {1, 2}) {
    const ReplicaOptions options{.batch_size = 16, .threads = threads};
    EXPECT_THAT(gradients_of(walled, options, samples.batch()),
                Pointwise(FloatNear(1e-4f), gradients_of(in_blocks, options, samples.batch())));
  }
}

TEST(ReplicaTest, APartialBatchCountsItsOwnSamplesOnly) {
  const Graph graph = small_cnn();
  const Samples samples(graph, 48, 3);
  auto replica = make_replica(graph, {.batch_size = 48}, 1, 0.2f);
  // Interleaved, so that one batch size must not leave traces in the other.
  StepMetrics sum = replica->evaluate(samples.first(5));
  const double first = sum.loss_sum;
  replica->train_step(samples.batch());
  EXPECT_DOUBLE_EQ(replica->evaluate(samples.first(5)).loss_sum, first);
  replica->train_step(samples.first(5));
  EXPECT_THAT(
      copy_of(replica->gradients()),
      Pointwise(FloatNear(1e-5f), gradients_of(graph, {.batch_size = 5}, samples.first(5))));
  for (int64_t i = 0; i < 48; ++i) {  // one by one equals all at once
    const auto at = static_cast<size_t>(i);
    const Batch one{1, std::span(samples.x).subspan(at * 144, 144),
                    std::span(samples.y).subspan(at, 1)};
    if (i >= 5) sum += replica->evaluate(one);
  }
  const StepMetrics all = replica->evaluate(samples.batch());
  EXPECT_NEAR(sum.loss_sum, all.loss_sum, 1e-3);
  EXPECT_EQ(correct_of(sum), correct_of(all));
  EXPECT_EQ(sum.samples, 48);
}

TEST(ReplicaTest, TwoRunsAreEqualBitForBit) {
  const Graph graph = small_cnn();
  const Samples samples(graph, 16, 3);
  for (int threads : {1, 2}) {
    const auto run = [&] {
      ReplicaOptions options{.batch_size = 16, .threads = threads};
      options.optimizer = "adam";
      auto replica = make_replica(graph, options, 1, 0.2f);
      for (int step = 0; step < 5; ++step) replica->train_step(samples.batch());
      return copy_of(replica->parameters());
    };
    EXPECT_EQ(run(), run()) << threads << " threads";
  }
}

TEST(ReplicaTest, OneThreadAndTwoAgree) {
  // Not bit for bit: oneDNN adds a kernel's gradient up in another order on two threads.
  const Graph graph = small_cnn();
  const Samples samples(graph, 16, 3);
  EXPECT_THAT(gradients_of(graph, {.batch_size = 16, .threads = 2}, samples.batch()),
              Pointwise(FloatNear(1e-5f),
                        gradients_of(graph, {.batch_size = 16, .threads = 1}, samples.batch())));
}

TEST(ReplicaTest, PoolingsAndDenseLayersOfManyRowsAreEqualBitForBitOnAnyNumberOfThreads) {
  const Graph graph = GraphBuilder({6, 6, 16})
                          .max_pool()
                          .flatten()
                          .dense(70)
                          .activation(Activation::kTanh)
                          .dense(300)
                          .build(kMse);
  const Samples samples(graph, 20, 3);
  const auto one = gradients_of(graph, {.batch_size = 20, .threads = 1}, samples.batch());
  for (int threads : {2, 3}) {
    EXPECT_EQ(gradients_of(graph, {.batch_size = 20, .threads = threads}, samples.batch()), one);
  }
}

TEST(ReplicaTest, DenseLayersWhoseWeightsAreDividedAmongThreadsComeToTheSame) {
  // 72 rows of the kernel are a piece.
  for (const bool has_bias : {true, false}) {
    GraphBuilder builder({300});
    builder.dense(225, has_bias);
    if (has_bias) builder.activation(Activation::kTanh);
    const Graph graph = builder.dense(3).build(kMse);
    const Samples samples(graph, 9, 3);
    const auto trained = [&](int threads) {
      const auto replica =
          make_replica(graph, {.batch_size = 9, .threads = threads, .optimizer = "sgd"}, 1, 0.2f);
      for (int step = 0; step < 3; ++step) replica->train_step(samples.batch());
      return copy_of(replica->parameters());
    };
    const std::vector<float> one = trained(1);
    for (const int threads : {2, 3, 5, 7}) {  // seven have not a piece each
      EXPECT_THAT(trained(threads), Pointwise(FloatNear(1e-5f), one)) << threads << " threads";
    }
  }
}

TEST(ReplicaTest, MaxPoolingGivesTheGradientToTheFirstMaximum) {
  // The convolution's bias reaches all pixels alike; its kernel multiplies pixels that differ only
  // where the pooling does not look first.
  for (int64_t channels : {1, 16}) {
    const Graph graph =
        GraphBuilder({2, 2, 1})
            .conv({.filters = channels, .kernel_h = 1, .kernel_w = 1, .bias = false})
            .pool({.pool_h = 2, .pool_w = 2})
            .flatten()
            .build(kMse);
    auto replica = make_replica(graph, {.batch_size = 1});
    std::fill(replica->parameters().begin(), replica->parameters().end(), 0.0f);  // all pixels tie
    replica->parameters_changed();
    const std::vector<float> x{2, 3, 5, 7};
    const std::vector<float> y(static_cast<size_t>(channels), -1.0f);
    replica->train_step({1, x, y});
    // d/dw of (w x - y)^2 / channels at w = 0 with x the first pixel: 2 * 1 * 2 / channels.
    for (float g : replica->gradients()) EXPECT_FLOAT_EQ(g, 4.0f / static_cast<float>(channels));
  }
}

TEST(ReplicaTest, TheOptimizerStepsOnTheGradients) {
  const Graph graph = small_cnn();
  const Samples samples(graph, 16, 3);
  for (const OptimizerSpec& spec : every_setting()) {
    if (optim::norm_clip_of(spec).is_needed()) continue;
    ReplicaOptions options{.batch_size = 16};
    auto plain = make_replica(graph, options, 1, 0.2f);
    options.optimizer = spec;
    auto stepping = make_replica(graph, options, 1, 0.2f);
    optim::Optimizer optimizer(spec, graph.parameter_size);
    for (int step = 0; step < 3; ++step) {
      plain->train_step(samples.batch());
      optimizer.apply(plain->parameters(), plain->gradients());
      plain->parameters_changed();
      stepping->train_step(samples.batch());
    }
    EXPECT_EQ(copy_of(stepping->parameters()), copy_of(plain->parameters())) << spec.name;
    stepping->adopt_averages();
    if (spec.use_ema) {
      EXPECT_EQ(copy_of(stepping->parameters()), copy_of(optimizer.averages()));
    }
  }
}

// The norm is that of each kernel and bias, or of all, but not of what is frozen.
TEST(ReplicaTest, GradientsAreClippedByTheNormOfWhatIsTrained) {
  Graph graph = GraphBuilder({6}).dense(7).activation(Activation::kTanh).dense(3).build(kMse);
  auto& frozen = std::get<DenseOp>(graph.ops[2].kind);
  frozen.bias->role = ParameterRole::kFrozen;
  const auto& first = std::get<DenseOp>(graph.ops[0].kind);
  const std::vector<ParameterSlice> trained = {first.kernel, *first.bias, frozen.kernel};
  const Samples samples(graph, 16, 3);
  const auto plain = make_replica(graph, {.batch_size = 16}, 1, 0.2f);
  plain->train_step(samples.batch());
  const std::vector<float> gradients = copy_of(plain->gradients());
  const auto norm_of = [&](std::span<const ParameterSlice> slices) {
    double sum = 0;
    for (const ParameterSlice& slice : slices) {
      for (size_t i = 0; i < slice.size; ++i) sum += std::pow(gradients[slice.offset + i], 2);
    }
    return std::sqrt(sum);
  };
  const double all = norm_of(trained), each = norm_of({trained.data(), 1});
  for (const OptimizerSpec& spec :
       {SGD({.learning_rate = 1, .global_clipnorm = static_cast<float>(all / 2)}),
        SGD({.learning_rate = 1, .clipnorm = static_cast<float>(each / 2)}),
        SGD({.learning_rate = 1, .global_clipnorm = static_cast<float>(all * 2)})}) {
    const auto replica = make_replica(graph, {.batch_size = 16, .optimizer = spec}, 1, 0.2f);
    const std::vector<float> before = copy_of(replica->parameters());
    replica->train_step(samples.batch());
    // The sum of a window, halved, is clipped alike.
    const auto pushing =
        make_replica(graph, {.batch_size = 16, .update_clip = optim::norm_clip_of(spec)}, 1, 0.2f);
    pushing->begin_window();
    pushing->train_step(samples.batch());
    pushing->train_step(samples.batch());
    std::vector<float> update(graph.parameter_size);
    pushing->start_update({.trained = 0.5f}, update);
    pushing->finish_update();
    for (const ParameterSlice& slice : trained) {
      const double norm = spec.clipnorm > 0 ? norm_of({&slice, 1}) : all;
      const double most = spec.clipnorm > 0 ? spec.clipnorm : spec.global_clipnorm;
      const double scale = norm > most ? most / norm : 1;
      for (size_t i = slice.offset; i < slice.offset + slice.size; ++i) {
        EXPECT_NEAR(before[i] - replica->parameters()[i], gradients[i] * scale, 1e-6);
        EXPECT_NEAR(update[i], gradients[i] * scale, 1e-7);
      }
    }
  }
}

// Frozen layers in front and inside, two convolutions and two dense layers with one kernel each.
TEST(ReplicaTest, TheOptimizerStepsSharedParametersOnceAndFrozenOnesNever) {
  const testing::ConvSpec same{.filters = 16, .padding = {1, 1, 1, 1}};
  GraphBuilder builder({8, 8, 1});
  builder.conv(same).activation(Activation::kRelu).freeze();  // op0
  builder.conv(same).activation(Activation::kRelu);           // op2
  const ValueId shortcut = builder.here();
  builder.share(2).conv(same).merge({}, {shortcut}).max_pool().flatten();
  builder.dense(256).activation(Activation::kTanh);           // op8
  builder.dense(256).activation(Activation::kTanh);           // op10, to be frozen
  builder.share(8).dense(256).activation(Activation::kTanh);  // op12
  Graph graph = builder.dense(3).build(kMse);
  auto& frozen = std::get<DenseOp>(graph.ops[10].kind);
  frozen.kernel.role = frozen.bias->role = ParameterRole::kFrozen;
  const Samples samples(graph, 16, 3);
  for (const char* name : {"sgd", "adam"}) {
    ReplicaOptions options{.batch_size = 16};
    const auto plain = make_replica(graph, options, 1, 0.2f);
    options.optimizer = name;
    const auto stepping = make_replica(graph, options, 1, 0.2f);
    const std::vector<float> before = copy_of(stepping->parameters());
    plain->train_step(samples.batch());
    optim::Optimizer(*options.optimizer, graph.parameter_size)
        .apply(plain->parameters(), plain->gradients());
    stepping->train_step(samples.batch());
    EXPECT_EQ(copy_of(stepping->parameters()), copy_of(plain->parameters())) << name;
    for (size_t i = 0; i < before.size(); ++i) {
      const bool is_first = i < 160;
      const bool is_inside = i >= frozen.kernel.offset && i < frozen.bias->offset + 256;
      if (is_first || is_inside) {
        ASSERT_EQ(stepping->parameters()[i], before[i]) << i;
      }
    }
  }
}

// x1 [2] W1 + b1 -> y1 [3], softmax; y1 and x2 [3] -> their sum, the second output.
Graph two_inputs_and_outputs() {
  GraphBuilder builder({2});
  const ValueId classes = builder.dense(3).activation(Activation::kSoftmax).here();
  builder.input({3}).merge({}, {classes});
  return builder.build({{classes, kSparse, 0.5f}, {builder.here(), kMse, 3}});
}

TEST(ReplicaTest, InputsAndOutputsLieOneAfterAnotherInARow) {
  const Graph graph = two_inputs_and_outputs();
  for (const Purpose purpose : {Purpose::kTraining, Purpose::kInference}) {
    const auto replica = make_replica(graph, {.purpose = purpose, .batch_size = 3});
    for (float& value : replica->parameters()) value = 0;
    replica->parameters()[6 + 1] = std::log(2.0f);  // a bias: 1/4, 1/2, 1/4
    replica->parameters_changed();
    // The first dense layer's kernel is 0: only the second input is seen.
    const std::vector<float> x{7, 7, 0, 0, 1, 8, 8, 1, 2, 3, 9, 9, 0, 0, 0};
    std::vector<float> y(3 * 6);
    replica->predict(3, x, y);
    const std::vector<float> expected{0.25, 0.5, 0.25, 0.25, 0.5, 1.25, 0.25, 0.5, 0.25,
                                      1.25, 2.5, 3.25, 0.25, 0.5, 0.25, 0.25, 0.5, 0.25};
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-6) << i;
    // Targets: a class, and three numbers: the second output, but for one that is off by 3.
    const std::vector<float> targets{1, 0.25, 0.5, 1.25, 0, 1.25, 2.5, 0.25, 2, 0.25, 0.5, 0.25};
    const StepMetrics metrics = replica->evaluate({3, x, targets});
    EXPECT_EQ(metrics.samples, 3);
    EXPECT_NEAR(metrics.loss_sum, 0.5 * (std::log(2) + 2 * std::log(4)) + 3 * 9 / 3.0, 1e-5);
    ASSERT_EQ(metrics.counters.size(), 2u);  // the losses of the outputs
    EXPECT_NEAR(metrics.counters[0], std::log(2) + 2 * std::log(4), 1e-5);
    EXPECT_NEAR(metrics.counters[1], 9 / 3.0, 1e-5);
    const std::vector<float> two(x.begin() + 5, x.end());
    std::vector<float> two_y(2 * 6);
    replica->predict(2, two, two_y);
    EXPECT_TRUE(std::equal(two_y.begin(), two_y.end(), y.begin() + 6));
  }
}

TEST(ReplicaTest, AClassThatIsNoneIsFoundInWhicheverOutput) {
  GraphBuilder builder({2});
  const ValueId numbers = builder.dense(2).here();
  builder.dense(3);
  const auto replica =
      make_replica(builder.build({{numbers, kMse}, {builder.here(), kSparse}}), {.batch_size = 2});
  const std::vector<float> x(4), good{9, 9, 2, -9, 9, 0}, bad{9, 9, 2, 9, 9, 3};
  replica->start_step({2, x, good});
  EXPECT_THROW(replica->start_step({2, x, bad}), std::invalid_argument);
}

// Two residual blocks, one of which has its way around changed, and a depthwise convolution.
Graph residual_network(int64_t channels, Activation activation) {
  GraphBuilder builder({9, 9, 3});
  const ConvSpec same{.filters = channels, .padding = {1, 1, 1, 1}};
  builder.conv(same).batch_norm().activation(activation);
  const ValueId x = builder.here();
  builder.conv(same).batch_norm().activation(activation).conv(same).batch_norm();
  builder.merge({}, {x}).activation(activation).dropout(0.5f, 1);
  const ValueId y = builder.here();
  const ConvSpec narrow{.filters = channels, .kernel_h = 1, .kernel_w = 1, .bias = false};
  const ValueId around = builder.conv(narrow).batch_norm().here();
  builder.from(y).conv({.filters = channels, .padding = {1, 1, 1, 1}, .groups = channels});
  builder.batch_norm().merge({}, {around}).activation(activation).batch_norm();
  return builder.flatten().dense(3).activation(Activation::kSoftmax).build(kSparse);
}

TEST(ReplicaTest, OneForInferenceGivesTheSameWithNormalizationsAndSumsInItsConvolutions) {
  for (const int64_t channels : {4, 16, 32}) {
    for (const Activation activation :
         {Activation(Activation::kRelu), Activation(Activation::kTanh),
          Activation(Activation::kSilu)}) {
      SCOPED_TRACE(channels);
      const Graph graph = residual_network(channels, activation);
      const auto training = make_replica(graph, {.batch_size = 5}, 1, 0.2f);
      const auto inference =
          make_replica(graph, {.purpose = Purpose::kInference, .batch_size = 5}, 2, 0.2f);
      for (const int round : {1, 2}) {  // parameters that change are seen
        for (const Op& op : graph.ops) {
          const auto* norm = std::get_if<BatchNormOp>(&op.kind);
          if (norm == nullptr) continue;
          const std::span<float> variance =
              training->parameters().subspan(norm->variance.offset, norm->variance.size);
          for (size_t i = 0; i < variance.size(); ++i) {
            variance[i] = 0.1f * static_cast<float>(round) + 0.05f * static_cast<float>(i % 5);
          }
        }
        training->parameters_changed();
        std::ranges::copy(training->parameters(), inference->parameters().begin());
        inference->parameters_changed();
        for (const int64_t n : {5, 1}) {
          const Samples samples(graph, n, 3);
          std::vector<float> expected(static_cast<size_t>(n * 3)), y(expected.size());
          training->predict(n, samples.x, expected);
          inference->predict(n, samples.x, y);
          for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-5) << i;
        }
      }
    }
  }
}

TEST(ReplicaTest, OneForInferenceGivesTheSameAndHasNoGradients) {
  const Graph graph = small_cnn();
  const auto training = make_replica(graph, {.batch_size = 21}, 1, 0.2f);
  const auto inference =
      make_replica(graph, {.purpose = Purpose::kInference, .batch_size = 21}, 1, 0.2f);
  const auto outputs = static_cast<size_t>(graph.output_size());
  for (const int64_t n : {21, 1, 2, 3, 5, 16, 17, 20}) {  // padded to 32, or to all 21
    SCOPED_TRACE(n);
    const Samples samples(graph, n, 3);
    std::vector<float> expected(static_cast<size_t>(n) * outputs), y(expected.size());
    training->predict(n, samples.x, expected);
    inference->predict(n, samples.x, y);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-6) << i;
    const StepMetrics metrics = inference->evaluate(samples.batch());
    const StepMetrics reference = training->evaluate(samples.batch());
    EXPECT_EQ(metrics.samples, n);
    EXPECT_NEAR(metrics.loss_sum, reference.loss_sum, 1e-5 * static_cast<double>(n));
    EXPECT_EQ(correct_of(metrics), correct_of(reference));
  }
  const Samples samples(graph, 2, 3);
  std::vector<float> update(graph.parameter_size);
  EXPECT_THROW(inference->start_step(samples.batch()), std::logic_error);
  EXPECT_THROW(inference->gradients(), std::logic_error);
  EXPECT_THROW(inference->begin_window(), std::logic_error);
  EXPECT_THROW(inference->start_update({.trained = 1}, update), std::logic_error);
  EXPECT_THROW(inference->adopt(update, OwnUpdate::kIncluded), std::logic_error);
}

// Memory is for what comes, and not for what may: this machine holds no such batch.
TEST(ReplicaTest, OneForInferenceTakesASampleWhateverItsLargestBatch) {
  const Graph graph = GraphBuilder({2}).dense(2).build(kMse);
  const auto replica =
      make_replica(graph, {.purpose = Purpose::kInference, .batch_size = int64_t{1} << 50});
  std::vector<float> y(2);
  replica->predict(1, std::vector<float>{1, 2}, y);
  EXPECT_NE(y, std::vector<float>(2));
  EXPECT_THROW(make_replica(graph, {.batch_size = int64_t{1} << 50}), std::invalid_argument);
}

// What was compiled first has long been given up when it is asked for again.
TEST(ReplicaTest, AnyNumberOfBatchSizesTrains) {
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 40};
  options.optimizer = SGD();
  const auto many = make_replica(graph, options, 1, 0.2f);
  for (int64_t n = 1; n <= 40; ++n) many->train_step(Samples(graph, n, 3).batch());
  const auto fresh = make_replica(graph, options, 1, 0.2f);
  std::ranges::copy(many->parameters(), fresh->parameters().begin());
  fresh->parameters_changed();
  for (const int64_t n : {1, 40, 2}) {
    many->train_step(Samples(graph, n, 4).batch());
    fresh->train_step(Samples(graph, n, 4).batch());
    EXPECT_EQ(copy_of(many->parameters()), copy_of(fresh->parameters())) << n;
  }
}

TEST(ReplicaTest, ParametersWrittenByTheCallerAreUsedInTheNextStep) {
  const Graph graph = small_cnn();
  const Samples samples(graph, 4, 3);
  auto replica = make_replica(graph, {.batch_size = 4}, 1, 0.2f);
  const double before = replica->evaluate(samples.batch()).loss_sum;
  const std::vector<float> saved = copy_of(replica->parameters());
  for (float& value : replica->parameters()) value *= 0.5f;
  replica->parameters_changed();
  EXPECT_NE(replica->evaluate(samples.batch()).loss_sum, before);
  std::copy(saved.begin(), saved.end(), replica->parameters().begin());
  replica->parameters_changed();
  EXPECT_EQ(replica->evaluate(samples.batch()).loss_sum, before);
}

// --- Mistakes ---

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing was thrown";
}

TEST(ReplicaTest, RejectsBatchesItWasNotCompiledFor) {
  const Graph graph = GraphBuilder({3}).dense(2).build(kMse);
  auto replica = make_replica(graph, {.batch_size = 2});
  const std::vector<float> x(9), y(6);
  EXPECT_THAT(message_of([&] { replica->train_step({3, x, y}); }), HasSubstr("1 to 2"));
  EXPECT_THROW(replica->train_step({0, {}, {}}), std::invalid_argument);
  EXPECT_THAT(message_of([&] {
                replica->train_step({2, x, y});
              }),
              HasSubstr("x: expected 2 x 3 floats, got 9"));
}

TEST(ReplicaTest, ExchangesOfAnotherSizeThanTheParametersAreRefused) {
  auto replica = make_replica(small_cnn(), {.batch_size = 2}, 1);
  const size_t size = replica->parameters().size();
  std::vector<float> small(size - 1);
  const std::string expected =
      ": expected 1 x " + std::to_string(size) + " floats, got " + std::to_string(size - 1);
  EXPECT_EQ(message_of([&] { replica->start_update({.trained = 1}, small); }), "update" + expected);
  EXPECT_EQ(message_of([&] { replica->adopt(small, OwnUpdate::kIncluded); }), "centre" + expected);
}

// Step 0's mask is drawn again: the refused batch was no step.
TEST(ReplicaTest, ABatchWithAClassThatThereIsNotChangesNothing) {
  const Graph graph =
      GraphBuilder({6}).dropout(0.5f, 7).dense(3).activation(Activation::kSoftmax).build(kSparse);
  const Samples samples(graph, 4, 3);
  Samples wrong = samples;
  wrong.y[3] = 3;
  const auto trained = [&](bool refused_first) {
    auto replica = make_replica(graph, {.batch_size = 4}, 1, 0.5f);
    if (refused_first) {
      EXPECT_THAT(message_of([&] { replica->start_step(wrong.batch()); }), HasSubstr("class 3"));
    }
    replica->train_step(samples.batch());
    return copy_of(replica->gradients());
  };
  EXPECT_EQ(trained(true), trained(false));
}

TEST(ReplicaTest, GradientsAreGoneWhereAnOptimizerUsedThem) {
  ReplicaOptions options{.batch_size = 2};
  options.optimizer = "sgd";
  auto replica = make_replica(GraphBuilder({3}).dense(2).build(kMse), options);
  EXPECT_THROW(replica->gradients(), std::logic_error);
}

TEST(BackendTest, CompileNamesTheOpThatDoesNotFit) {
  const auto compile = [](const Graph& graph, ReplicaOptions options = {}) {
    return message_of([&] { (*open_backend({.name = "cpu"}))->compile(graph, options); });
  };
  Graph graph = GraphBuilder({4}).dense(3).dense(2).build(kMse);
  EXPECT_EQ(compile(graph), "nothing was thrown");
  graph.ops[1].inputs = {9};
  EXPECT_THAT(compile(graph), HasSubstr("\"op1\": an input that no op before it computes"));
  graph = GraphBuilder({4}).dense(3).build(kMse);
  graph.parameter_size = 3;
  EXPECT_THAT(compile(graph), HasSubstr("\"op0\""));
  EXPECT_THAT(compile(GraphBuilder({}).activation(Activation::kTanh).build(kSparse)),
              HasSubstr("crossentropy"));
  graph = GraphBuilder({6, 6, 1}).conv({}).build(kMse);
  graph.values[graph.outputs.front().value] = {5, 5, 1};
  EXPECT_THROW((*open_backend({.name = "cpu"}))->compile(graph, {}), ShapeError);
  EXPECT_THAT(compile(GraphBuilder({4}).dropout(1.0f, 1).build(kMse)), HasSubstr("rate"));
  EXPECT_THAT(compile(GraphBuilder({4}).dense(3).build(kMse), {.threads = 0}),
              HasSubstr("threads"));
  EXPECT_THAT(compile(GraphBuilder({4}).dense(3).build(kMse), {.batch_size = 0}),
              HasSubstr("batch_size"));
}

TEST(BackendTest, TheCpuIsAlwaysThere) {
  auto backend = open_backend({.name = "cpu"});
  ASSERT_TRUE(backend.ok());
  EXPECT_THAT((*backend)->name(), ::testing::StartsWith("cpu (oneDNN "));
}

TEST(BackendTest, UnknownDevicesAreRefusedWithTheKnownOnes) {
  for (const char* device : {"tpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:1 ", "CPU"}) {
    const auto backend = open_backend({.name = device});
    ASSERT_FALSE(backend.ok()) << device;
    EXPECT_EQ(backend.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(backend.status().message(), HasSubstr("use \"auto\", \"cpu\", \"cuda\""));
  }
  for (const char* device : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"}) {
    EXPECT_TRUE(check_device_name(device).ok()) << device;
  }
}

}  // namespace
}  // namespace sluice::backend::testing
