#include "nn/lowering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using backend::ActivationOp;
using backend::Conv2DOp;
using backend::DenseOp;
using backend::Graph;
using backend::NoiseOp;
using backend::Pool2DOp;
using backend::ReshapeOp;

template <typename T>
const T& op(const Graph& graph, size_t index) {
  return std::get<T>(graph.ops.at(index).kind);
}

TEST(LoweringTest, MnistCnnBecomesAChainOfOperations) {
  const Graph graph = lower(mnist_cnn(), SparseCategoricalCrossentropy{});
  EXPECT_EQ(graph.values[graph.inputs.front()], Shape({28, 28, 1}));
  EXPECT_EQ(graph.shape_of(graph.outputs.front()), Shape({10}));
  EXPECT_EQ(graph.parameter_size, 1048853u);
  EXPECT_EQ(graph.outputs.front().loss, SparseCategoricalCrossentropy{});
  ASSERT_EQ(graph.ops.size(), 10u);
  backend::ValueId value = graph.inputs.front();
  for (const backend::Op& each : graph.ops) {
    EXPECT_THAT(each.inputs, ::testing::ElementsAre(value)) << each.name;
    value = each.output;
  }

  EXPECT_EQ(graph.ops[0].name, "conv2d");
  EXPECT_EQ(graph.values[graph.ops[0].output], Shape({26, 26, 32}));
  EXPECT_EQ(op<Conv2DOp>(graph, 0).kernel.offset, 0u);
  EXPECT_EQ(op<Conv2DOp>(graph, 0).kernel.size, 288u);
  EXPECT_EQ(op<Conv2DOp>(graph, 0).bias->offset, 288u);
  EXPECT_EQ(op<Conv2DOp>(graph, 0).bias->size, 32u);
  EXPECT_EQ(op<ActivationOp>(graph, 1).activation, backend::Activation::kRelu);
  EXPECT_EQ(op<Conv2DOp>(graph, 2).kernel.offset, 320u);
  EXPECT_EQ(op<ActivationOp>(graph, 3).activation, backend::Activation::kRelu);
  EXPECT_EQ(op<Pool2DOp>(graph, 4).kind, Pool2DOp::Kind::kMax);
  EXPECT_EQ(op<Pool2DOp>(graph, 4).stride_w, 2);
  EXPECT_TRUE(std::holds_alternative<ReshapeOp>(graph.ops[5].kind));
  EXPECT_EQ(op<DenseOp>(graph, 6).kernel.offset, 320u + 9248u);
  EXPECT_EQ(op<DenseOp>(graph, 6).kernel.size, 4608u * 225u);
  EXPECT_EQ(op<ActivationOp>(graph, 7).activation, backend::Activation::kRelu);
  EXPECT_EQ(op<DenseOp>(graph, 8).bias->offset, 1048843u);
  EXPECT_EQ(op<ActivationOp>(graph, 9).activation, backend::Activation::kSoftmax);
  EXPECT_EQ(graph.ops[9].name, "dense_1");
}

TEST(LoweringTest, SamePaddingStridesAndMissingBiasArriveInTheGraph) {
  const Graph graph = lower(all_layers(), CategoricalCrossentropy{});
  // [28, 30, 3], kernel 3 x 5, strides 2 x 1: (14 - 1) 2 + 3 - 28 = 1 row, 5 - 1 = 4 columns.
  const auto& first = op<Conv2DOp>(graph, 0);
  EXPECT_EQ(first.kernel_h, 3);
  EXPECT_EQ(first.kernel_w, 5);
  EXPECT_EQ(first.stride_h, 2);
  EXPECT_EQ(first.stride_w, 1);
  EXPECT_EQ(first.padding.top, 0);
  EXPECT_EQ(first.padding.bottom, 1);
  EXPECT_EQ(first.padding.left, 2);
  EXPECT_EQ(first.padding.right, 2);
  // [14, 30, 8], pool 2 x 3, strides 1 x 2: 2 - 1 = 1 row, (15 - 1) 2 + 3 - 30 = 1 column.
  const auto& average = op<Pool2DOp>(graph, 2);
  EXPECT_EQ(average.kind, Pool2DOp::Kind::kAverage);
  EXPECT_EQ(average.pool_h, 2);
  EXPECT_EQ(average.pool_w, 3);
  EXPECT_EQ(average.stride_h, 1);
  EXPECT_EQ(average.stride_w, 2);
  EXPECT_EQ(average.padding.top, 0);
  EXPECT_EQ(average.padding.bottom, 1);
  EXPECT_EQ(average.padding.left, 0);
  EXPECT_EQ(average.padding.right, 1);
  EXPECT_FALSE(op<Conv2DOp>(graph, 3).bias.has_value());
  EXPECT_EQ(op<NoiseOp>(graph, 6).strength, 0.25f);
  EXPECT_EQ(op<NoiseOp>(graph, 6).seed, 7u);
}

TEST(LoweringTest, LayersThatDoNothingAddNoOperation) {
  Sequential model;
  model.add(Input({3})).add(Dropout(0)).add(Activation("linear")).add(Dense({.units = 2}));
  EXPECT_EQ(lower(model, MeanSquaredError{}).ops.size(), 1u);
}

TEST(LoweringTest, DropoutsWithoutASeedDrawDifferentMasks) {
  Sequential model;
  model.add(Input({3})).add(Dropout(0.5)).add(Dropout(0.5));
  const Graph graph = lower(model, MeanSquaredError{});
  EXPECT_NE(op<NoiseOp>(graph, 0).seed, op<NoiseOp>(graph, 1).seed);
}

TEST(LoweringTest, ModelsWithoutInputOrLayersAreRefused) {
  Sequential model("empty");
  EXPECT_EQ(message_of<ShapeError>([&] { lower(model, MeanSquaredError{}); }),
            "Sequential \"empty\": the input shape is not known; add an Input first");
  model.add(Input({3}));
  EXPECT_EQ(message_of<ShapeError>([&] { lower(model, MeanSquaredError{}); }),
            "Sequential \"empty\": there are no layers; add some");
}

}  // namespace
}  // namespace sluice::nn
