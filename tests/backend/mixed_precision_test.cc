// mixed_bfloat16 against float32 with the same parameters: predictions, loss and every gradient
// differ by what 8 bits of mantissa allow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "backend/cpu/onednn.h"
#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

struct Case {
  std::string name;
  Graph graph;
  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }
};

// Images that are padded, enlarged and put behind others, in blocks of channels and not.
Graph moved_and_joined() {
  GraphBuilder builder({6, 6, 2});
  const ValueId first = builder.conv({.filters = 16, .padding = {1, 1, 1, 1}}).here();
  builder.max_pool().conv({.filters = 32, .kernel_h = 1, .kernel_w = 1});
  builder.then(
      RearrangeOp{{{.from = 0, .repeat = 2}, {.from = 1, .repeat = 2, .before = 1}, {.from = 2}}},
      {6, 6, 32});
  builder.concatenate(2, {first}).conv({.filters = 16, .kernel_h = 1, .kernel_w = 1});
  builder.then(RearrangeOp{{{.from = 2}, {.from = 0, .before = -1}, {.from = 1}}}, {16, 4, 6});
  return builder.conv({.filters = 3}).flatten().dense(4).build(MeanSquaredError{});
}

std::vector<Case> cases() {
  using enum Activation::Kind;
  const LossSpec kSparse = SparseCategoricalCrossentropy{};
  const LossSpec kSquares = MeanSquaredError{};
  const auto identity = std::make_shared<IdentityKernel>();
  return {
      {"MnistCnn", mnist_cnn()},
      {"Dense", GraphBuilder({20}).dense(33).activation(kTanh).dense(7).build(kSquares)},
      {"DenseWithoutBias",
       GraphBuilder({50}).dense(16, false).activation(kSigmoid).dense(5, false).build(kSquares)},
      {"DenseInBlocksOfRows",
       GraphBuilder({300}).dense(500).activation(kRelu).dense(10).build(kSquares)},
      {"DenseOverRows", GraphBuilder({3, 8}).dense(5).activation(kRelu).dense(4).build(kSquares)},
      {"StridedSameConvolution",
       GraphBuilder({9, 8, 3})
           .conv({.filters = 5,
                  .stride_h = 2,
                  .stride_w = 2,
                  .padding = {.top = 1, .bottom = 1, .left = 0, .right = 1}})
           .activation(kSigmoid)
           .conv({.filters = 16, .bias = false})
           .activation(kRelu)
           .flatten()
           .dense(6)
           .activation(kSoftmax)
           .build(kSparse)},
      {"GroupedConvolutions", GraphBuilder({9, 8, 4})
                                  .conv({.filters = 6, .groups = 2})
                                  .activation(kRelu)
                                  .conv({.filters = 12, .groups = 6})
                                  .flatten()
                                  .dense(6)
                                  .build(kSquares)},
      {"DepthwiseInBlocks", GraphBuilder({9, 8, 3})
                                .conv({.filters = 32})
                                .conv({.filters = 32, .bias = false, .groups = 32})
                                .activation(kRelu)
                                .conv({.filters = 32, .groups = 2})
                                .pool({.kind = Pool2DOp::Kind::kAverage})
                                .flatten()
                                .dense(6)
                                .build(kSquares)},
      {"TransposedConvolutions",
       GraphBuilder({9, 9, 3})
           .conv({.filters = 16, .stride_h = 2, .stride_w = 2})
           .conv({.filters = 32, .stride_h = 2, .stride_w = 2, .transposed = true})
           .activation(kRelu)
           .conv({.filters = 3, .transposed = true})
           .activation(kSigmoid)
           .build(kSquares)},
      {"MaxPoolingWithOverlap", GraphBuilder({11, 11, 2})
                                    .conv({.filters = 16})
                                    .activation(kRelu)
                                    .pool({.pool_h = 3, .pool_w = 3, .stride_h = 2, .stride_w = 2})
                                    .flatten()
                                    .dense(4)
                                    .build(kSquares)},
      {"AveragePooling", GraphBuilder({8, 8, 1})
                             .conv({.filters = 16})
                             .activation(kTanh)
                             .pool({.kind = Pool2DOp::Kind::kAverage})
                             .flatten()
                             .dense(4)
                             .build(kSquares)},
      {"FloatOpsInBetween", GraphBuilder({6, 6, 4})
                                .conv({.filters = 16})
                                .host(identity)
                                .max_pool()
                                .dropout(0.5f, 7)
                                .flatten()
                                .activation(kTanh)
                                .dense(8)
                                .activation(kSoftmax)
                                .host(identity)
                                .build(kSparse)},
      {"MovedAndJoined", moved_and_joined()},
      {"ConvolutionAtTheEnd", GraphBuilder({6, 6, 2}).conv({.filters = 3}).build(kSquares)},
      {"PoolingAtTheEnd",
       GraphBuilder({6, 6, 2}).conv({.filters = 16}).activation(kRelu).max_pool().build(kSquares)},
  };
}

// ||a - b|| / ||b||
double relative_error(std::span<const float> a, std::span<const float> b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

bool has_maximum(const Graph& graph) {
  return std::any_of(graph.ops.begin(), graph.ops.end(), [](const Op& op) {
    const auto* pool = std::get_if<Pool2DOp>(&op.kind);
    return pool != nullptr && pool->kind == Pool2DOp::Kind::kMax;
  });
}

class MixedPrecisionTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!cpu::has_bfloat16()) GTEST_SKIP() << "the processor has neither AVX512_BF16 nor AMX";
  }
};

TEST_P(MixedPrecisionTest, IsCloseToFloat32) {
  const Graph& graph = GetParam().graph;
  for (const int threads : {1, 2}) {
    ReplicaOptions options{.batch_size = 19, .threads = threads};
    const float scale = 1.5f / std::sqrt(static_cast<float>(graph.input_size()) + 8);
    const auto exact = make_replica(graph, options, 1, scale);
    options.precision = Precision::kMixedBfloat16;
    const auto mixed = make_replica(graph, options, 1, scale);
    for (const int64_t n : {19, 3}) {
      const Samples samples(graph, n, 5);
      std::vector<float> expected(static_cast<size_t>(n * graph.output_size()));
      std::vector<float> got(expected.size());
      exact->predict(n, samples.x, expected);
      mixed->predict(n, samples.x, got);
      EXPECT_LT(relative_error(got, expected), 1e-2);
      const double loss = exact->train_step(samples.batch()).loss_sum;
      EXPECT_NEAR(mixed->train_step(samples.batch()).loss_sum, loss, 1e-2 * loss);
      // A maximum that is nearly reached twice may give its gradient to the other cell.
      const double tolerance = has_maximum(graph) ? 6e-2 : 2e-2;
      EXPECT_LT(relative_error(mixed->gradients(), exact->gradients()), tolerance);
    }
  }
}

// The optimizer steps while a gradient is computed, and the copies of the parameters follow.
TEST_P(MixedPrecisionTest, StepsByTheGradients) {
  const Graph& graph = GetParam().graph;
  const Samples samples(graph, 19, 5);
  for (const int threads : {1, 2}) {
    ReplicaOptions options{
        .batch_size = 19, .threads = threads, .precision = Precision::kMixedBfloat16};
    const auto gradients = make_replica(graph, options, 1, 0.1f);
    gradients->train_step(samples.batch());
    options.optimizer = OptimizerSpec("sgd");
    const auto stepped = make_replica(graph, options, 1, 0.1f);
    stepped->train_step(samples.batch());
    const float rate = options.optimizer->learning_rate.number;
    for (size_t i = 0; i < graph.parameter_size; ++i) {
      const float expected = gradients->parameters()[i] - rate * gradients->gradients()[i];
      ASSERT_NEAR(stepped->parameters()[i], expected, 1e-6) << "parameter " << i;
    }
    const auto fresh = make_replica(graph, options);
    std::ranges::copy(stepped->parameters(), fresh->parameters().begin());
    fresh->parameters_changed();
    std::vector<float> got(static_cast<size_t>(19 * graph.output_size())), expected(got.size());
    stepped->predict(19, samples.x, got);
    fresh->predict(19, samples.x, expected);
    EXPECT_EQ(got, expected);
  }
}

TEST_P(MixedPrecisionTest, GivesTheSameBitsEachTime) {
  const Graph& graph = GetParam().graph;
  const Samples samples(graph, 8, 5);
  const ReplicaOptions options{.batch_size = 8,
                               .threads = 2,
                               .precision = Precision::kMixedBfloat16,
                               .optimizer = OptimizerSpec("adam")};
  const auto a = make_replica(graph, options), b = make_replica(graph, options);
  for (int step = 0; step < 3; ++step) {
    a->train_step(samples.batch());
    b->train_step(samples.batch());
  }
  EXPECT_EQ(copy_of(a->parameters()), copy_of(b->parameters()));
}

INSTANTIATE_TEST_SUITE_P(Graphs, MixedPrecisionTest, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(PrecisionTest, IsNamedAsInKeras) {
  EXPECT_EQ(parse_precision("float32"), Precision::kFloat32);
  EXPECT_EQ(parse_precision("mixed_bfloat16"), Precision::kMixedBfloat16);
  EXPECT_THROW(parse_precision("bfloat16"), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::backend::testing
