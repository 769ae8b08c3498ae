// Every mistake in a graph is refused with the op's name, and the good ones are not.
#include "backend/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "sluice/errors.h"
#include "tests/backend/graph_builder.h"

namespace sluice::backend {
namespace {

using testing::GraphBuilder;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr LossSpec kMse = MeanSquaredError{};

template <typename Error>
std::string refusal(const Graph& graph) {
  try {
    validate(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}
std::string refused(const Graph& graph) { return refusal<std::invalid_argument>(graph); }
std::string shape_refused(const Graph& graph) { return refusal<ShapeError>(graph); }

template <typename Kind>
Graph changed(Graph graph, void (*change)(Kind&)) {
  change(std::get<Kind>(graph.ops[0].kind));
  return graph;
}

const Graph kConv = GraphBuilder({6, 7, 2}).conv({.filters = 3}).build(kMse);
const Graph kPool = GraphBuilder({6, 7, 2}).max_pool().build(kMse);
const Graph kDense = GraphBuilder({2, 5}).dense(3).build(kMse);

TEST(ValidateTest, GraphsThatFitPass) {
  EXPECT_EQ(refused(kConv), "accepted");
  EXPECT_EQ(refused(kPool), "accepted");
  EXPECT_EQ(refused(kDense), "accepted");
  EXPECT_EQ(refused(testing::mnist_cnn()), "accepted");
  EXPECT_EQ(refused(GraphBuilder({3}).build(kMse)), "accepted");
}

TEST(ValidateTest, PenalizedValuesAreComputed) {
  Graph graph = kDense;
  graph.activity_penalties = {{.value = graph.outputs.front().value, .l1 = 1}};
  EXPECT_EQ(refused(graph), "accepted");
  graph.activity_penalties.front().value = graph.values.size();
  EXPECT_THAT(refused(graph), HasSubstr("a penalized value of the graph is computed by no op"));
}

TEST(ValidateTest, WindowsNeedASizeAStrideAndAnImage) {
  const auto least = HasSubstr("the window and its strides must be at least 1");
  EXPECT_THAT(refused(changed<Conv2DOp>(kConv, [](auto& c) { c.stride_h = 0; })), least);
  EXPECT_THAT(refused(changed<Conv2DOp>(kConv, [](auto& c) { c.kernel_w = 0; })), least);
  EXPECT_THAT(refused(changed<Pool2DOp>(kPool, [](auto& p) { p.stride_w = -1; })), least);
  EXPECT_THAT(shape_refused(changed<Pool2DOp>(kPool, [](auto& p) { p.pool_h = 7; })),
              StartsWith("\"op0\": expected an image no smaller than the window, got [6, 7, 2]"));
  Graph flat = kPool;
  flat.values[flat.inputs.front()] = {84};
  EXPECT_THAT(shape_refused(flat), StartsWith("\"op0\": expected an image [H, W, C], got [84]"));
}

TEST(ValidateTest, PaddingIsSmallerThanTheWindow) {
  for (Padding2D padding :
       {Padding2D{3, 0, 0, 0}, Padding2D{0, 3, 0, 0}, Padding2D{0, 0, -1, 0}, {0, 0, 0, 3}}) {
    Graph graph = kConv;
    std::get<Conv2DOp>(graph.ops[0].kind).padding = padding;
    EXPECT_THAT(refused(graph), HasSubstr("padding must be at least 0 and smaller"));
  }
}

TEST(ValidateTest, OutputsAreWhatTheWindowLeaves) {
  Graph pool = kPool;
  pool.values[pool.outputs.front().value] = {3, 4, 2};
  EXPECT_EQ(shape_refused(pool), "\"op0\": expected an output [3, 3, 2], got [3, 4, 2]");
  pool.values[pool.outputs.front().value] = {3, 3, 1};  // pooling keeps the channels
  EXPECT_EQ(shape_refused(pool), "\"op0\": expected an output [3, 3, 2], got [3, 3, 1]");
  Graph dense = kDense;
  dense.values[dense.outputs.front().value] = {3};
  EXPECT_EQ(shape_refused(dense), "\"op0\": expected an output [2, 3], got [3]");
  EXPECT_THAT(shape_refused(GraphBuilder({4}).reshape({5}).build(kMse)),
              HasSubstr("an output of 4 elements"));
  Graph activation = GraphBuilder({4}).activation(Activation::kRelu).build(kMse);
  activation.values[activation.outputs.front().value] = {2, 2};
  EXPECT_EQ(shape_refused(activation), "\"op0\": expected an output [4], got [2, 2]");
  Graph empty = kDense;
  empty.values[empty.outputs.front().value] = {2, 0};
  EXPECT_THAT(shape_refused(empty), HasSubstr("without empty dimensions"));
}

TEST(ValidateTest, ParametersHaveTheSizeThatTheShapesAskFor) {
  EXPECT_EQ(refused(changed<Conv2DOp>(kConv, [](auto& c) { --c.kernel.size; })),
            "\"op0\": expected a parameter of 54 floats, got 53");  // 3 x 3 x 2 x 3
  EXPECT_EQ(refused(changed<Conv2DOp>(kConv, [](auto& c) { c.bias->size = 2; })),
            "\"op0\": expected a parameter of 3 floats, got 2");
  EXPECT_EQ(refused(changed<DenseOp>(kDense, [](auto& d) { ++d.kernel.size; })),
            "\"op0\": expected a parameter of 15 floats, got 16");
  EXPECT_EQ(refused(changed<DenseOp>(kDense, [](auto& d) { d.bias->size = 6; })),
            "\"op0\": expected a parameter of 3 floats, got 6");
}

TEST(ValidateTest, DilationGroupsAndTransposesAreChecked) {
  EXPECT_EQ(refused(changed<Conv2DOp>(kConv, [](auto& c) { c.dilation_w = 0; })),
            "\"op0\": the dilation must be at least 1");
  EXPECT_EQ(shape_refused(changed<Conv2DOp>(kConv, [](auto& c) { c.dilation_w = 2; })),
            "\"op0\": expected an output [4, 3, 3], got [4, 5, 3]");
  EXPECT_EQ(shape_refused(changed<Conv2DOp>(kConv, [](auto& c) { c.dilation_w = 4; })),
            "\"op0\": expected an image no smaller than the window, got [6, 7, 2]");
  for (const auto change :
       {+[](Conv2DOp& c) { c.groups = 2; }, +[](Conv2DOp& c) { c.groups = 0; }}) {
    EXPECT_THAT(refused(changed<Conv2DOp>(kConv, change)),
                StartsWith("\"op0\": 2 channels and 3 filters do not go into "));
  }
  const Graph graph = GraphBuilder({6, 7, 2})
                          .conv({.filters = 4, .stride_h = 2, .transposed = true})
                          .build(kMse);  // to [13, 9, 4]
  EXPECT_EQ(refused(graph), "accepted");
  EXPECT_EQ(shape_refused(changed<Conv2DOp>(graph, [](auto& c) { c.stride_h = 1; })),
            "\"op0\": expected an input [11, 7, 2], got [6, 7, 2]");
  EXPECT_EQ(refused(changed<Conv2DOp>(graph, [](auto& c) { c.groups = 2; })),
            "\"op0\": 4 channels and 2 filters do not go into 2 groups");
}

TEST(ValidateTest, ParametersLieInsideTheBuffer) {
  const auto outside = HasSubstr("a parameter lies outside the 18 floats of the model");
  EXPECT_THAT(refused(changed<DenseOp>(kDense, [](auto& d) { d.bias->offset = 16; })), outside);
  EXPECT_THAT(refused(changed<DenseOp>(kDense, [](auto& d) { d.kernel.offset = size_t{0} - 1; })),
              outside);  // must not wrap around
}

TEST(ValidateTest, OpsShareAWholeParameterOrNothingOfIt) {
  EXPECT_EQ(refused(GraphBuilder({3}).dense(3).share(0).dense(3).build(kMse)), "accepted");
  Graph graph = GraphBuilder({3}).dense(3).dense(3, false).build(kMse);
  auto& second = std::get<DenseOp>(graph.ops[1].kind);
  second.kernel.offset = 11;  // the last float of op0's bias
  EXPECT_EQ(refused(graph), "\"op1\": shares a part of a parameter with \"op0\"");
  second.kernel = std::get<DenseOp>(graph.ops[0].kind).kernel;
  second.kernel.role = ParameterRole::kFrozen;  // and trained by the other
  EXPECT_EQ(refused(graph), "\"op1\": shares a part of a parameter with \"op0\"");
  graph = GraphBuilder({4}).dense(1).build(kMse);
  auto& dense = std::get<DenseOp>(graph.ops[0].kind);
  dense.bias = ParameterSlice{.offset = 3, .size = 1};
  EXPECT_EQ(refused(graph), "\"op0\": shares a part of a parameter with \"op0\"");
}

TEST(ValidateTest, OpsComeBehindThoseWhoseOutputsTheyTake) {
  Graph graph = GraphBuilder({3}).dense(3).dense(3).build(kMse);
  std::swap(graph.ops[0], graph.ops[1]);
  EXPECT_EQ(refused(graph), "\"op1\": an input that no op before it computes");
  graph = kDense;
  graph.ops[0].inputs = {7};
  EXPECT_EQ(refused(graph), "\"op0\": an input that no op before it computes");
  graph = kDense;
  graph.ops[0].output = graph.inputs.front();
  EXPECT_EQ(refused(graph), "\"op0\": its output is none of the graph's, or another op's as well");
  graph = kDense;
  graph.outputs.front().value = graph.values.size();
  EXPECT_EQ(refused(graph), "an output of the graph is computed by no op");
  EXPECT_EQ(refused(Graph()), "the graph has no value for an input");
}

TEST(ValidateTest, MergesTakeInputsOfOneShapeAndOthersOne) {
  GraphBuilder builder({3});
  const ValueId input = builder.here();
  const Graph graph = builder.dense(4).merge({}, {input}).build(kMse);
  EXPECT_EQ(shape_refused(graph), "\"op1\": expected inputs of one shape, got [3]");
  Graph many = kDense;
  many.ops[0].inputs = {0, 0};
  EXPECT_EQ(refused(many), "\"op0\": expected one input, got 2");
  many.ops[0].inputs = {};
  EXPECT_EQ(refused(many), "\"op0\": expected one input, got 0");
}

TEST(ValidateTest, RearrangementsTakeEachAxisOnce) {
  const auto of = [](RearrangeOp op, Shape output) {
    return GraphBuilder({3, 4}).then(std::move(op), std::move(output)).build(kMse);
  };
  EXPECT_EQ(shape_refused(of({{{.from = 1}, {.from = 0, .before = 2}}}, {4, 9})), "accepted");
  EXPECT_EQ(refused(of({{{.from = 0}, {.from = 0}}}, {3, 4})),
            "\"op0\": every axis of the input must become one of the output");
  EXPECT_EQ(refused(of({{{.from = 0}, {.from = 2}}}, {3, 4})),
            "\"op0\": every axis of the input must become one of the output");
  EXPECT_EQ(shape_refused(of({{{.from = 0}}}, {3})),
            "\"op0\": expected an output of 2 axes, and where each comes from, got [3]");
  EXPECT_EQ(refused(of({{{.from = 0, .repeat = 0}, {.from = 1}}}, {3, 4})),
            "\"op0\": elements must be repeated at least once");
  EXPECT_EQ(
      shape_refused(
          GraphBuilder(Shape(std::vector<int64_t>(9, 1))).then(RearrangeOp{}, {1}).build(kMse)),
      "\"op0\": expected an input of at most 8 axes, got [1, 1, 1, 1, 1, 1, 1, 1, 1]");
}

TEST(ValidateTest, ConcatenationsDifferAlongTheirAxisOnly) {
  GraphBuilder builder({2, 3});
  const ValueId input = builder.here();
  const Graph good = builder.dense(4).concatenate(1, {input}).build(kMse);
  EXPECT_EQ(shape_refused(good), "accepted");
  EXPECT_EQ(shape_refused(GraphBuilder(builder).from(1).concatenate(0, {input}).build(kMse)),
            "\"op2\": expected inputs that differ along one axis only, got [2, 3]");
  Graph bad = good;
  std::get<ConcatenateOp>(bad.ops[1].kind).axis = 2;
  EXPECT_EQ(shape_refused(bad), "\"op1\": expected inputs with an axis 2, got [2, 4]");
  bad = good;
  bad.values[bad.outputs.front().value] = {2, 8};
  EXPECT_EQ(shape_refused(bad), "\"op1\": expected an output [2, 7], got [2, 8]");
}

TEST(ValidateTest, InterpolationsMultiplyOneAxis) {
  const auto of = [](InterpolateOp op, Shape output) {
    return GraphBuilder({3, 4}).then(op, std::move(output)).build(kMse);
  };
  EXPECT_EQ(shape_refused(of({.axis = 1, .factor = 2}, {3, 8})), "accepted");
  EXPECT_EQ(shape_refused(of({.axis = 1, .factor = 2}, {3, 7})),
            "\"op0\": expected an output [3, 8], got [3, 7]");
  EXPECT_EQ(shape_refused(of({.axis = 2, .factor = 2}, {3, 8})),
            "\"op0\": expected an input with an axis 2, got [3, 4]");
  EXPECT_EQ(refused(of({.axis = 1, .factor = 0}, {3, 1})),
            "\"op0\": the factor must be at least 1");
}

TEST(ValidateTest, DropoutKeepsSomething) {
  for (float rate : {-0.1f, 1.0f, std::nanf("")}) {
    EXPECT_THAT(refused(GraphBuilder({4}).dropout(rate, 1).build(kMse)),
                StartsWith("\"op0\": the rate must be at least 0 and below 1"));
  }
}

TEST(ValidateTest, NoiseThatIsSharedSaysForWhichAxes) {
  const auto of = [](NoiseOp op) { return GraphBuilder({4, 3}).then(op, {4, 3}).build(kMse); };
  EXPECT_EQ(shape_refused(of({.strength = 0.5f, .shared = {false, true, false}})), "accepted");
  EXPECT_EQ(shape_refused(of({.strength = 0.5f, .shared = {false, true}})),
            "\"op0\": expected an input of 1 axes, at most 8, got [4, 3]");
  EXPECT_EQ(refused(of({.kind = NoiseOp::Kind::kGaussianDropout,
                        .strength = 0.5f,
                        .shared = {false, true, false}})),
            "\"op0\": normal noise is drawn for each element");
  EXPECT_THAT(refused(of({.kind = NoiseOp::Kind::kGaussianNoise, .strength = -1})),
              StartsWith("\"op0\": the standard deviation must be at least 0"));
  EXPECT_EQ(shape_refused(of({.kind = NoiseOp::Kind::kGaussianNoise, .strength = 3})), "accepted");
}

TEST(ValidateTest, AffineNumbersAreAsManyAsARowHas) {
  const auto of = [](AffineOp op) {
    return GraphBuilder({4, 3}).then(std::move(op), {4, 3}).build(kMse);
  };
  const std::vector<float> two{1, 2}, three{1, 2, 3}, five{1, 2, 3, 4, 5};
  EXPECT_EQ(shape_refused(of({three, three, three})), "accepted");
  EXPECT_EQ(refused(of({three, three, two})),
            "\"op0\": expected as many centers, scales and offsets, and at least one of each");
  EXPECT_EQ(refused(of({})),
            "\"op0\": expected as many centers, scales and offsets, and at least one of each");
  EXPECT_EQ(shape_refused(of({five, five, five})),
            "\"op0\": expected an input of rows of 5 elements, got [4, 3]");
}

TEST(ValidateTest, StandardizingTakesFrozenNumbersForEachFeature) {
  constexpr auto kFrozen = ParameterRole::kFrozen;
  const auto of = [](ParameterSlice mean, ParameterSlice variance) {
    Graph graph = GraphBuilder({4, 3}).then(StandardizeOp{mean, variance}, {4, 3}).build(kMse);
    graph.parameter_size = 8;
    return graph;
  };
  EXPECT_EQ(shape_refused(of({0, 3, kFrozen}, {3, 3, kFrozen})), "accepted");
  EXPECT_EQ(shape_refused(of({0, 1, kFrozen}, {3, 1, kFrozen})), "accepted");
  EXPECT_EQ(refused(of({0, 3, kFrozen}, {3, 4, kFrozen})),
            "\"op0\": expected a parameter of 3 floats, got 4");
  EXPECT_EQ(refused(of({0, 3}, {3, 3})), "\"op0\": mean and variance are not trained");
}

TEST(ValidateTest, EmbeddingsAddAnAxis) {
  EXPECT_EQ(shape_refused(GraphBuilder({4, 3}).embedding(7, 2).build(kMse)), "accepted");
  Graph graph = GraphBuilder({4}).embedding(7, 2).build(kMse);
  graph.values[graph.outputs.front().value] = {4};
  EXPECT_EQ(shape_refused(graph), "\"op0\": expected an output [4, 4], got [4]");
  graph = GraphBuilder({4}).embedding(7, 2).build(kMse);
  std::get<EmbeddingOp>(graph.ops[0].kind).rows = 8;
  EXPECT_EQ(refused(graph), "\"op0\": expected a parameter of 16 floats, got 14");
}

TEST(ValidateTest, NumbersThatAnEmbeddingHasNoRowForAreRefused) {
  const Graph graph = GraphBuilder({2, 2}).reshape({4}).embedding(7, 2).build(kMse);
  const auto refusal = [&](float number) -> std::string {
    const std::vector<float> x{0, 6, 3, number};
    try {
      check_prediction(graph, 1, 1, x, 8);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(6), "accepted");
  EXPECT_EQ(refusal(7), "\"op1\": expected numbers from 0 to 6, got 7");
  EXPECT_EQ(refusal(-1), "\"op1\": expected numbers from 0 to 6, got -1");
  EXPECT_NE(refusal(std::nanf("")), "accepted");
}

TEST(ValidateTest, EachEmbeddingOfTheInputMustHaveTheRow) {
  GraphBuilder builder({2});
  const ValueId input = builder.here();
  const ValueId large = builder.embedding(7, 3).here();
  builder.from(input).embedding(5, 3);
  const Graph graph = builder.merge({}, {large}).build(kMse);
  const std::vector<float> fits{4, 0}, too_large{4, 6};
  EXPECT_NO_THROW(check_prediction(graph, 1, 1, fits, 6));
  EXPECT_THROW(check_prediction(graph, 1, 1, too_large, 6), std::invalid_argument);
}

TEST(ValidateTest, HostOperationsNeedAKernelAndSoftmaxAnAxis) {
  EXPECT_EQ(refused(GraphBuilder({4}).host(nullptr).build(kMse)),
            "\"op0\": a host operation needs a kernel");
  EXPECT_THAT(shape_refused(GraphBuilder(Shape{}).activation(Activation::kSoftmax).build(kMse)),
              HasSubstr("an input of rank 1 or more"));
}

TEST(ValidateTest, BatchesThatThisMachineCannotHoldAreRefusedByTheLargestOutput) {
  const Graph graph = GraphBuilder({4, 4, 1}).conv({.filters = 1 << 20}).build(kMse);
  EXPECT_NO_THROW(check_memory(graph, 1));
  const auto refused = [&](int64_t batch) -> std::string {
    try {
      check_memory(graph, batch);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refused(1 << 26), StartsWith("\"op0\": the output [2, 2, 1048576] of a batch of "
                                           "67108864 takes 1.00 PB; this process may have "));
  EXPECT_THAT(refused(INT64_MAX),
              StartsWith("the input [4, 4, 1] of a batch of 92233720368547758"));
}

TEST(ValidateTest, CrossentropiesTakeOutputsWithAnAxisOfClasses) {
  const auto of_shape = [](const Shape& shape, LossSpec loss) {
    return shape_refused(GraphBuilder(shape).activation(Activation::kSigmoid).build(loss));
  };
  for (const char* loss : {"categorical_crossentropy", "sparse_categorical_crossentropy"}) {
    EXPECT_EQ(of_shape({}, loss), "the crossentropy: expected an output of rank 1 or more, got []");
    EXPECT_EQ(of_shape({3}, loss), "accepted");
    EXPECT_EQ(of_shape({4, 2, 3}, loss), "accepted");
  }
  EXPECT_EQ(of_shape({}, kMse), "accepted");
}

}  // namespace
}  // namespace sluice::backend
