// Forward values computed by hand, or published by Keras.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::Pointwise;

std::vector<float> predict(const Graph& graph, const std::vector<float>& parameters,
                           const std::vector<float>& x, int64_t n = 1,
                           Precision precision = Precision::kFloat32) {
  auto replica = make_replica(graph, {.batch_size = n, .precision = precision});
  EXPECT_EQ(replica->parameters().size(), parameters.size());
  std::copy(parameters.begin(), parameters.end(), replica->parameters().begin());
  replica->parameters_changed();
  std::vector<float> y(static_cast<size_t>(n * graph.output_size()));
  replica->predict(n, x, y);
  return y;
}

constexpr LossSpec kMse = MeanSquaredError{};
using Kind = Pool2DOp::Kind;

TEST(Conv2DForwardTest, SamePaddingWithStrideTwoAddsToBottomAndRightAsKeras) {
  const Graph graph = GraphBuilder({6, 6, 1})
                          .conv({.filters = 1,
                                 .stride_h = 2,
                                 .stride_w = 2,
                                 .padding = {.bottom = 1, .right = 1},
                                 .bias = false})
                          .build(kMse);
  // Keras 3: a 3 x 3 kernel of ones over a 6 x 6 image of ones, strides 2, padding "same".
  EXPECT_THAT(predict(graph, std::vector<float>(9, 1), std::vector<float>(36, 1)),
              ElementsAre(9, 9, 6, 9, 9, 6, 6, 6, 4));
}

TEST(Conv2DForwardTest, KernelIsHeightWidthInputOutputAndNotFlipped) {
  // One row of two pixels with two channels, kernel 1 x 2, two filters.
  const Graph graph =
      GraphBuilder({1, 2, 2}).conv({.filters = 2, .kernel_h = 1, .kernel_w = 2}).build(kMse);
  const std::vector<float> kernel{1, 10, 2, 20, 3, 30, 4, 40};  // [w][channel][filter]
  std::vector<float> parameters = kernel;
  parameters.insert(parameters.end(), {0.5f, 0.25f});
  // 1*1 + 2*2 + 3*3 + 4*4 = 30 and ten times that.
  EXPECT_THAT(predict(graph, parameters, {1, 2, 3, 4}), ElementsAre(30.5f, 300.25f));
}

TEST(Conv2DForwardTest, TransposedEachPixelIsSpreadOverAWindow) {
  // Kernel [w][filter][channel]: one channel, two filters.
  const std::vector<float> kernel{1, 10, 2, 20};
  const auto spread = [&](ConvSpec spec) {
    spec.filters = 2;
    spec.kernel_h = 1;
    spec.kernel_w = 2;
    spec.bias = false;
    spec.transposed = true;
    return predict(GraphBuilder({1, 2, 1}).conv(spec).build(kMse), kernel, {1, 3});
  };
  EXPECT_THAT(spread({}), ElementsAre(1, 10, 2 + 3, 20 + 30, 6, 60));
  EXPECT_THAT(spread({.dilation_w = 2}), ElementsAre(1, 10, 3, 30, 2, 20, 6, 60));
  EXPECT_THAT(spread({.stride_w = 3, .more_w = 1}),
              ElementsAre(1, 10, 2, 20, 0, 0, 3, 30, 6, 60, 0, 0));
  EXPECT_THAT(spread({.padding = {.right = 1}}), ElementsAre(1, 10, 5, 50));
}

TEST(Conv2DForwardTest, TransposedWithStridesAboveTheKernelLeavesGapsForTheBias) {
  const Graph graph = GraphBuilder({2, 2, 1})
                          .conv({.kernel_h = 1,
                                 .kernel_w = 1,
                                 .stride_h = 2,
                                 .stride_w = 2,
                                 .transposed = true,
                                 .more_h = 1})
                          .activation(Activation::kRelu)
                          .build(kMse);
  EXPECT_THAT(predict(graph, {2, 0.5f}, {1, -3, 5, 7}),
              ElementsAre(2.5f, 0.5f, 0, 0.5f, 0.5f, 0.5f, 10.5f, 0.5f, 14.5f, 0.5f, 0.5f, 0.5f));
}

// Every element by the definition, in double precision.
std::vector<float> convolve(const std::vector<float>& x, const std::vector<float>& w, int64_t n,
                            int64_t size, int64_t channels, int64_t filters) {
  const int64_t out = size - 2;
  std::vector<float> y;
  for (int64_t i = 0; i < n * out * out * filters; ++i) {
    const int64_t f = i % filters, column = i / filters % out, row = i / filters / out % out;
    const int64_t image = i / filters / out / out;
    double sum = 0;
    for (int64_t k = 0; k < 9 * channels; ++k) {
      const int64_t c = k % channels, dx = k / channels % 3, dy = k / channels / 3;
      const int64_t at = ((image * size + row + dy) * size + column + dx) * channels + c;
      sum +=
          static_cast<double>(x[static_cast<size_t>(at)]) * w[static_cast<size_t>(k * filters + f)];
    }
    y.push_back(static_cast<float>(sum));
  }
  return y;
}

TEST(Conv2DForwardTest, LargeBatchesInBlocksOfChannelsEqualTheDefinition) {
  // Big enough for Winograd's algorithm, and between a few channels and a pooling for blocks of
  // channels; a 1 x 1 pooling changes nothing.
  const int64_t n = 16, size = 14, filters = 32;
  GraphBuilder front({size, size, 3});
  front.conv({.filters = filters, .kernel_h = 1, .kernel_w = 1, .bias = false});
  const Graph graph = front.conv({.filters = filters, .bias = false}).max_pool(1).build(kMse);
  core::Rng rng(5);
  std::vector<float> parameters(graph.parameter_size);
  for (float& p : parameters) p = rng.uniform(-0.5f, 0.5f);
  const Samples samples(graph, n, 6);

  std::vector<float> hidden;  // the 1 x 1 convolution
  for (size_t pixel = 0; pixel < samples.x.size() / 3; ++pixel) {
    for (size_t f = 0; f < 32; ++f) {
      double sum = 0;
      for (size_t c = 0; c < 3; ++c) {
        sum += static_cast<double>(samples.x[pixel * 3 + c]) * parameters[c * 32 + f];
      }
      hidden.push_back(static_cast<float>(sum));
    }
  }
  const std::vector<float> kernel(parameters.begin() + 3 * 32, parameters.end());
  EXPECT_THAT(
      predict(graph, parameters, samples.x, n),
      Pointwise(::testing::FloatNear(1e-4f), convolve(hidden, kernel, n, size, filters, filters)));
}

TEST(Pool2DForwardTest, AveragePoolingDoesNotCountPadding) {
  const Graph graph = GraphBuilder({3, 3, 1})
                          .pool({.kind = Kind::kAverage, .padding = {.bottom = 1, .right = 1}})
                          .build(kMse);
  // Keras' "same": windows of 4, 2, 2 and 1 cells.
  EXPECT_THAT(predict(graph, {}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), ElementsAre(3, 4.5f, 7.5f, 9));
}

TEST(Pool2DForwardTest, MaxPoolingPadsWithMinusInfinityNotZero) {
  const Graph graph =
      GraphBuilder({3, 3, 1}).pool({.padding = {.bottom = 1, .right = 1}}).build(kMse);
  EXPECT_THAT(predict(graph, {}, {-1, -2, -3, -4, -5, -6, -7, -8, -9}),
              ElementsAre(-1, -3, -7, -9));
}

TEST(Pool2DForwardTest, ChannelsArePooledApart) {
  for (int64_t channels : {1, 5, 16, 19, 32}) {
    const Graph graph = GraphBuilder({2, 4, channels}).max_pool().build(kMse);
    const auto count = static_cast<size_t>(channels);
    std::vector<float> x(8 * count), expected(2 * count);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);  // grows along the image
    for (size_t c = 0; c < count; ++c) {
      expected[c] = static_cast<float>(5 * count + c);          // row 1, column 1
      expected[count + c] = static_cast<float>(7 * count + c);  // row 1, column 3
    }
    EXPECT_EQ(predict(graph, {}, x), expected) << channels << " channels";
  }
}

// Of both sizes of window, in float32 and bfloat16: a model that diverged must not look finite.
TEST(Pool2DForwardTest, AWindowWithNanInItGivesNan) {
  for (Precision precision : {Precision::kFloat32, Precision::kMixedBfloat16}) {
    for (Kind kind : {Kind::kMax, Kind::kAverage}) {
      for (int64_t size : {2, 4}) {
        const Pool2DOp op{kind, size, size, 2, 2, {}};
        // A dense layer over the channels: a pixel that is NaN is so in all of them.
        const Graph graph = GraphBuilder({4, 4, 1}).dense(16).pool(op).build(kMse);
        for (size_t pixel = 0; pixel < 16; ++pixel) {
          std::vector<float> x(16, 1);
          x[pixel] = std::numeric_limits<float>::quiet_NaN();
          const std::vector<float> y = predict(graph, std::vector<float>(32, 1), x, 1, precision);
          const size_t window = size == 4 ? 0 : pixel / 8 * 2 + pixel % 4 / 2;
          for (size_t i = 0; i < y.size(); ++i) {
            ASSERT_EQ(std::isnan(y[i]), i / 16 == window) << "pixel " << pixel << ", output " << i;
          }
        }
      }
    }
  }
}

TEST(DenseForwardTest, ComputesOverTheLastAxis) {
  const Graph graph = GraphBuilder({2, 2}).dense(3).build(kMse);
  const std::vector<float> parameters{1, 2, 3, 4, 5, 6, 0.5f, 0, -0.5f};  // W [2, 3], b
  EXPECT_THAT(predict(graph, parameters, {1, 1, 2, -1}),
              ElementsAre(5.5f, 7, 8.5f, -1.5f, -1, -0.5f));
}

TEST(ActivationForwardTest, MatchesTheFormulas) {
  const auto apply = [](Activation activation) {
    return predict(GraphBuilder({3}).activation(activation).build(kMse), {}, {-1, 0, 2});
  };
  const auto near = [](float value) { return ::testing::FloatNear(value, 2e-6f); };
  EXPECT_THAT(apply(Activation::kLinear), ElementsAre(-1, 0, 2));
  EXPECT_THAT(apply(Activation::kRelu), ElementsAre(0, 0, 2));
  EXPECT_THAT(apply(Activation::kSigmoid),
              ElementsAre(near(0.268941f), near(0.5f), near(0.880797f)));
  EXPECT_THAT(apply(Activation::kTanh), ElementsAre(near(-0.761594f), near(0), near(0.964028f)));
  // exp(-3), exp(-2) and 1 over their sum 1.185122.
  EXPECT_THAT(apply(Activation::kSoftmax),
              ElementsAre(near(0.0420101f), near(0.1141952f), near(0.8437947f)));
}

// oneDNN's ReLU is max(x, 0), which drops NaN, wherever it is fused to; all others keep it.
TEST(ActivationForwardTest, ReluOfNanIsZero) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto relu = Activation::kRelu;
  for (const Graph& graph :
       {GraphBuilder({1, 1, 2}).conv({.kernel_h = 1, .kernel_w = 1}).activation(relu).build(kMse),
        GraphBuilder({1, 1, 2}).flatten().dense(1).activation(relu).build(kMse),
        GraphBuilder({1, 1, 2})
            .conv({.kernel_h = 1, .kernel_w = 1})
            .host(std::make_shared<IdentityKernel>())
            .activation(relu)
            .build(kMse)}) {
    EXPECT_THAT(predict(graph, {1, 1, 1}, {kNan, 1}), ElementsAre(0));
  }
  for (Activation other : {Activation::kLinear, Activation::kSigmoid, Activation::kTanh}) {
    const Graph graph = GraphBuilder({2}).dense(1).activation(other).build(kMse);
    EXPECT_TRUE(std::isnan(predict(graph, {1, 1, 1}, {kNan, 1})[0]));
  }
}

TEST(ActivationForwardTest, PredictGivesProbabilitiesWhereTheLossTakesLogits) {
  const Graph graph =
      GraphBuilder({3}).activation(Activation::kSoftmax).build(CategoricalCrossentropy{});
  const std::vector<float> y = predict(graph, {}, {1000, 1000, -1000});
  EXPECT_THAT(y, ElementsAre(0.5f, 0.5f, 0));
}

// The loss of outputs given as x, without any layer between.
StepMetrics loss_of(Shape shape, LossSpec loss, const std::vector<float>& x,
                    const std::vector<float>& y, int64_t n, Activation last = Activation::kLinear) {
  const Graph graph = GraphBuilder(std::move(shape)).activation(last).build(loss);
  return make_replica(graph, {.batch_size = n})->evaluate({n, x, y});
}

TEST(LossTest, MeanSquaredErrorIsAMeanOverOutputsAndASumOverSamples) {
  const StepMetrics m = loss_of({2}, MeanSquaredError{}, {1, 2, 3, 4}, {0, 2, 5, 4}, 2);
  EXPECT_DOUBLE_EQ(m.loss_sum, 0.5 + 2.0);
  EXPECT_EQ(m.samples, 2);
}

TEST(LossTest, CrossentropyNormalisesAndClipsProbabilities) {
  // Keras 3: a probability of zero costs -log(1e-7) = 16.118.
  const StepMetrics zero = loss_of({2}, SparseCategoricalCrossentropy{}, {0, 1}, {0}, 1);
  EXPECT_NEAR(zero.loss_sum, 16.118096, 1e-5);
  // (1, 3) is (0.25, 0.75).
  const StepMetrics scaled = loss_of({2}, CategoricalCrossentropy{}, {1, 3}, {1, 0}, 1);
  EXPECT_NEAR(scaled.loss_sum, std::log(4.0), 1e-6);
}

TEST(LossTest, SoftmaxCrossentropyIsComputedFromLogits) {
  // From probabilities this would be clipped at 16.118; from logits it is exact.
  const StepMetrics m =
      loss_of({2}, SparseCategoricalCrossentropy{}, {0, 100}, {0}, 1, Activation::kSoftmax);
  EXPECT_NEAR(m.loss_sum, 100.0, 1e-4);
}

// Keras 3.15: loss 0.634126 with either crossentropy, 1.5 with mse of the logits; accuracy 0.75.
TEST(LossTest, PositionsAreAveraged) {
  const std::vector<float> x{2, 0, 1, 0, 0, 1, 1, 3, 0, 1, 2, 3};  // [2, 2, 3]
  const std::vector<float> labels{0, 1, 1, 2};
  const std::vector<float> one_hot{1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1};
  const std::vector<double> costs = {
      std::log(1 + std::exp(-2.0) + std::exp(-1.0)), std::log(2 + std::exp(1.0)),
      std::log(1 + std::exp(-2.0) + std::exp(-3.0)), std::log(1 + std::exp(-1.0) + std::exp(-2.0))};
  const double sum = (costs[0] + costs[1] + costs[2] + costs[3]) / 2;  // 2 samples of 2 positions
  const StepMetrics sparse =
      loss_of({2, 3}, SparseCategoricalCrossentropy{}, x, labels, 2, Activation::kSoftmax);
  const StepMetrics categorical =
      loss_of({2, 3}, CategoricalCrossentropy{}, x, one_hot, 2, Activation::kSoftmax);
  const StepMetrics squared = loss_of({2, 3}, MeanSquaredError{}, x, one_hot, 2);
  for (const StepMetrics& metrics : {sparse, categorical, squared}) {
    EXPECT_EQ(metrics.samples, 2);
    EXPECT_EQ(correct_of(metrics), 3);  // of 4 rows
  }
  EXPECT_NEAR(sparse.loss_sum, sum, 1e-6);
  EXPECT_NEAR(categorical.loss_sum, sum, 1e-6);
  EXPECT_NEAR(squared.loss_sum, (2 + 2 + 5 + 9) / 6.0, 1e-6);
}

TEST(LossTest, AClassNumberOfAnyPositionMustBeOne) {
  const LossSpec loss = SparseCategoricalCrossentropy{};
  const std::vector<float> x(6, 0.5f);
  EXPECT_THROW(loss_of({2, 3}, loss, x, {0, 3}, 1), std::invalid_argument);
  EXPECT_THROW(loss_of({2, 3}, loss, x, {0}, 1), std::invalid_argument);  // one is missing
}

TEST(MetricTest, CountsTheFirstLargestOutput) {
  const StepMetrics m = loss_of({3}, SparseCategoricalCrossentropy{},
                                {0.4f, 0.4f, 0.2f, 0.1f, 0.2f, 0.7f}, {0, 2}, 2);
  EXPECT_EQ(correct_of(m), 2);
  const StepMetrics second =
      loss_of({3}, SparseCategoricalCrossentropy{}, {0.4f, 0.4f, 0.2f}, {1}, 1);
  EXPECT_EQ(correct_of(second), 0);
}

TEST(MetricTest, OneOutputIsBinaryAccuracyWithAStrictThreshold) {
  const StepMetrics m =
      loss_of({1}, MeanSquaredError{}, {0.6f, 0.5f, 0.4f, 0.51f}, {1, 1, 0, 0}, 4);
  EXPECT_EQ(correct_of(m), 2);  // 0.5 is not above 0.5
}

TEST(LossTest, RejectsClassNumbersOutsideTheModel) {
  const LossSpec loss = SparseCategoricalCrossentropy{};
  EXPECT_THROW(loss_of({3}, loss, {1, 1, 1}, {3}, 1), std::invalid_argument);
  EXPECT_THROW(loss_of({3}, loss, {1, 1, 1}, {-1}, 1), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::backend::testing
