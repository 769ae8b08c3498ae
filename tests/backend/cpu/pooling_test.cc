// How poolings are spread over threads; what they compute is pooling_loops_test.cc's.
#include <gtest/gtest.h>

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

using Kind = Pool2DOp::Kind;

// The gradient of a 1 x 1 convolution in front, which sees every pixel's.
std::vector<float> gradients_on(int threads, const Pool2DOp& op) {
  const Graph graph = GraphBuilder({16, 16, 2})
                          .conv({.filters = 16, .kernel_h = 1, .kernel_w = 1})
                          .host(std::make_shared<IdentityKernel>())  // plain images
                          .pool(op)
                          .build(MeanSquaredError{});
  const Samples samples(graph, 3, 3);
  auto replica = make_replica(graph, {.batch_size = 3, .threads = threads});
  replica->train_step(samples.batch());
  return copy_of(replica->gradients());
}

// Three images on four threads: the pieces end in the middle of one.
TEST(PoolingTest, GradientsAreTheSameOnAnyNumberOfThreads) {
  for (Kind kind : {Kind::kMax, Kind::kAverage}) {
    for (int64_t stride : {1, 2}) {
      const Pool2DOp op{kind, 2, 2, stride, stride, {}};
      const std::vector<float> one = gradients_on(1, op);
      const std::vector<float> four = gradients_on(4, op);
      for (size_t i = 0; i < one.size(); ++i) {
        ASSERT_NEAR(four[i], one[i], 1e-5) << (kind == Kind::kMax ? "maximum" : "average")
                                           << ", stride " << stride << ", parameter " << i;
      }
    }
  }
}

// A dense layer over the channels lets a gradient through each kind of pooling.
TEST(PoolingTest, GradientsBehindADenseLayerAreEqualBitForBit) {
  const auto kAverage = Kind::kAverage;
  for (const Pool2DOp& pool :
       {Pool2DOp{}, Pool2DOp{.pool_h = 3, .pool_w = 3}, Pool2DOp{.kind = kAverage},
        Pool2DOp{.kind = kAverage, .pool_h = 3, .pool_w = 3}}) {
    const Graph graph =
        GraphBuilder({8, 8, 4}).dense(16).pool(pool).flatten().dense(5).build(MeanSquaredError{});
    const Samples samples(graph, 7, 3);
    const auto gradients_on = [&](int threads) {
      auto replica = make_replica(graph, {.batch_size = 7, .threads = threads});
      replica->train_step(samples.batch());
      return copy_of(replica->gradients());
    };
    const auto one = gradients_on(1);
    for (int run = 0; run < 5; ++run) {
      EXPECT_EQ(gradients_on(2), one);
      EXPECT_EQ(gradients_on(3), one);
    }
  }
}

}  // namespace
}  // namespace sluice::backend::testing
