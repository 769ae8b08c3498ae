// What is dropped, and what is fused into the op before it.
#include "backend/fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/graph_builder.h"

namespace sluice::backend {
namespace {

using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::IdentityKernel;

constexpr auto kMse = Loss::kMeanSquaredError;
constexpr auto kSparse = Loss::kSparseCategoricalCrossentropy;

std::vector<std::string> names_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const FusedOp& fused : fuse(graph)) names.push_back(fused.op->name);
  return names;
}

TEST(FusionTest, WhatChangesNothingIsDropped) {
  const Graph graph = GraphBuilder({4, 4, 1})
                          .reshape({2, 8, 1})
                          .activation(Activation::kLinear)
                          .max_pool()
                          .dropout(0, 1)
                          .flatten()
                          .dropout(0.5f, 1)
                          .build(kMse);
  EXPECT_THAT(names_of(graph), ElementsAre("op2", "op5"));
}

TEST(FusionTest, ConvolutionsAndDenseLayersTakeOneElementwiseActivation) {
  const Graph graph = GraphBuilder({4, 4, 1})
                          .conv({.filters = 2})
                          .activation(Activation::kTanh)
                          .activation(Activation::kRelu)  // the second stays by itself
                          .flatten()
                          .dense(3)
                          .reshape({3, 1})  // in between costs nothing
                          .activation(Activation::kSigmoid)
                          .build(kMse);
  const auto fused = fuse(graph);
  ASSERT_THAT(names_of(graph), ElementsAre("op0", "op2", "op4"));
  EXPECT_EQ(fused[0].activation, Activation::kTanh);
  EXPECT_EQ(fused[1].activation, Activation::kLinear);
  EXPECT_EQ(fused[2].activation, Activation::kSigmoid);
}

TEST(FusionTest, PoolingsDropoutAndSoftmaxAreNotFused) {
  const Graph graph = GraphBuilder({4, 4, 2})
                          .max_pool()
                          .activation(Activation::kRelu)
                          .dense(3)
                          .dropout(0.5f, 1)
                          .activation(Activation::kRelu)
                          .dense(3)
                          .activation(Activation::kSoftmax)
                          .build(kMse);
  EXPECT_THAT(names_of(graph), ElementsAre("op0", "op1", "op2", "op3", "op4", "op5", "op6"));
}

TEST(FusionTest, TheLastSoftmaxIsTheCrossentropysOnly) {
  const auto chain = [](Activation last, Loss loss) {
    return GraphBuilder({4}).dense(3).activation(last).build(loss);
  };
  for (Loss loss : {kSparse, Loss::kCategoricalCrossentropy}) {
    EXPECT_TRUE(loss_takes_logits(chain(Activation::kSoftmax, loss)));
    EXPECT_THAT(names_of(chain(Activation::kSoftmax, loss)), ElementsAre("op0"));
  }
  EXPECT_FALSE(loss_takes_logits(chain(Activation::kSoftmax, kMse)));
  EXPECT_THAT(names_of(chain(Activation::kSoftmax, kMse)), ElementsAre("op0", "op1"));
  EXPECT_FALSE(loss_takes_logits(chain(Activation::kSigmoid, kSparse)));
  EXPECT_FALSE(loss_takes_logits(GraphBuilder({4}).build(kSparse)));
  const Graph inside = GraphBuilder({4}).activation(Activation::kSoftmax).dense(3).build(kSparse);
  EXPECT_FALSE(loss_takes_logits(inside));
}

TEST(FusionTest, ConvolutionsDenseLayersAndHostOpsMayHaveParameters) {
  const auto kernel = std::make_shared<IdentityKernel>();
  const Graph graph = GraphBuilder({4, 4, 1})
                          .max_pool()
                          .host(kernel)
                          .host(kernel, {2})
                          .conv({.kernel_h = 1, .kernel_w = 1})
                          .dense(2)
                          .build(kMse);
  std::vector<bool> trains;
  for (const Op& op : graph.ops) trains.push_back(has_parameters(op));
  EXPECT_THAT(trains, ElementsAre(false, false, true, true, true));
}

}  // namespace
}  // namespace sluice::backend
