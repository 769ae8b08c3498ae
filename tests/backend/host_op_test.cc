// Operations of the user's program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

constexpr LossSpec kMse = MeanSquaredError{};

// A server's optimizer would step by what is no gradient of anybody's.
TEST(HostOpTest, WhatItsKernelWritesForFrozenParametersIsNoGradient) {
  Graph graph =
      GraphBuilder({2}).dense(2).host(std::make_shared<ScaleKernel>(), {1, 1}).build(kMse);
  auto& host = std::get<HostOp>(graph.ops[1].kind);
  for (ParameterSlice& slice : host.parameters) slice.role = ParameterRole::kFrozen;
  const auto replica = make_replica(graph, {.batch_size = 3});
  replica->train_step(Samples(graph, 3, 1).batch());
  const std::vector<float> gradients = copy_of(replica->gradients());
  EXPECT_NE(gradients[0], 0);
  EXPECT_EQ(gradients[host.parameters[0].offset], 0);
  EXPECT_EQ(gradients[host.parameters[1].offset], 0);
}

TEST(HostOpTest, GetsItsArgumentsAndItsGradientsAreUsed) {
  auto kernel = std::make_shared<ScaleKernel>();
  const Graph graph = GraphBuilder({2}).host(kernel, {1, 1}).build(kMse);
  auto replica = make_replica(graph, {.batch_size = 2});
  replica->parameters()[0] = 3;
  replica->parameters()[1] = 1;
  replica->parameters_changed();
  const std::vector<float> x{1, 2, 3, 4}, y(4, 0.0f);
  const StepMetrics metrics = replica->train_step({2, x, y});
  EXPECT_DOUBLE_EQ(metrics.loss_sum, (16.0 + 49 + 100 + 169) / 2);
  EXPECT_TRUE(kernel->training);
  EXPECT_FALSE(kernel->has_dx);  // nothing before it trains
  EXPECT_EQ(kernel->batch, 2);
  // d/da = sum of 2 (a x + b) x / 4, d/db without the x.
  EXPECT_FLOAT_EQ(replica->gradients()[0], 2 * (4 + 14 + 30 + 52) / 4.0f);
  EXPECT_FLOAT_EQ(replica->gradients()[1], 2 * (4 + 7 + 10 + 13) / 4.0f);
  replica->evaluate({2, x, y});
  EXPECT_FALSE(kernel->training);
}

TEST(HostOpTest, AnExceptionEndsTheStepAndReachesTheCaller) {
  class Throws : public IdentityKernel {
   public:
    void forward(const Forward&) const override { throw std::runtime_error("no luck"); }
  };
  const Graph graph = GraphBuilder({2}).dense(2).host(std::make_shared<Throws>()).build(kMse);
  auto replica = make_replica(graph, {.batch_size = 1});
  const std::vector<float> x{1, 2}, y{1, 2};
  EXPECT_THROW(replica->train_step({1, x, y}), std::runtime_error);
}

}  // namespace
}  // namespace sluice::backend::testing
