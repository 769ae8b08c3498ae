// What is left out, fused, cast and laid out in blocks, and who writes and who adds a gradient.
#include "backend/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/graph_builder.h"

namespace sluice::backend {
namespace {

using testing::ConvSpec;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::IdentityKernel;

constexpr LossSpec kMse = MeanSquaredError{};
constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};

std::vector<std::string> names_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const Step& step : plan.steps) names.push_back(step.op == nullptr ? "cast" : step.op->name);
  return names;
}
std::vector<std::string> names_of(const Graph& graph) { return names_of(make_plan(graph, {})); }

const Step& step_of(const Plan& plan, const std::string& name) {
  for (const Step& step : plan.steps) {
    if (step.op != nullptr && step.op->name == name) return step;
  }
  throw std::invalid_argument("no step " + name);
}
const Tensor& output_of(const Plan& plan, const std::string& name) {
  return plan.tensors[step_of(plan, name).output];
}

// --- Fusion ---

TEST(PlanTest, WhatChangesNothingIsDropped) {
  const Graph graph = GraphBuilder({4, 4, 1})
                          .reshape({2, 8, 1})
                          .activation(Activation::kLinear)
                          .max_pool()
                          .dropout(0, 1)
                          .flatten()
                          .dropout(0.5f, 1)
                          .build(kMse);
  const Plan plan = make_plan(graph, {});
  EXPECT_THAT(names_of(plan), ElementsAre("op2", "op5"));
  EXPECT_EQ(plan.steps[0].inputs[0].shape, Shape({2, 8, 1}));
  EXPECT_EQ(plan.steps[1].inputs[0].shape, Shape({4}));
  EXPECT_EQ(plan.tensors[plan.steps[1].inputs[0].tensor].shape, Shape({1, 4, 1}));
}

TEST(PlanTest, ConvolutionsAndDenseLayersTakeOneElementwiseActivation) {
  const Graph graph = GraphBuilder({4, 4, 1})
                          .conv({.filters = 2})
                          .activation(Activation::kTanh)
                          .activation(Activation::kRelu)  // the second stays by itself
                          .flatten()
                          .dense(3)
                          .reshape({3, 1})  // in between costs nothing
                          .activation(Activation::kSigmoid)
                          .build(kMse);
  const Plan plan = make_plan(graph, {});
  ASSERT_THAT(names_of(plan), ElementsAre("op0", "op2", "op4"));
  EXPECT_EQ(plan.steps[0].activation, Activation::kTanh);
  EXPECT_EQ(plan.steps[1].activation, Activation::kLinear);
  EXPECT_EQ(plan.steps[2].activation, Activation::kSigmoid);
  EXPECT_EQ(plan.tensors[plan.steps[2].output].activation, Activation::kSigmoid);
}

TEST(PlanTest, PoolingsDropoutAndSoftmaxAreNotFused) {
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

TEST(PlanTest, WhatSomebodyElseReadsTakesNoActivation) {
  GraphBuilder builder({3});
  builder.dense(3);
  const ValueId before = builder.here();
  const Graph graph = builder.activation(Activation::kRelu).merge({}, {before}).build(kMse);
  EXPECT_THAT(names_of(graph), ElementsAre("op0", "op1", "op2"));
}

TEST(PlanTest, ALossTakesTheInputsOfTheActivationThatItsLogitsAreFor) {
  const auto chain = [](Activation last, const LossSpec& loss) {
    return GraphBuilder({4}).dense(3).activation(last).build(loss);
  };
  const auto taken = [](const Graph& graph) {
    return make_plan(graph, {}).outputs.front().activation;
  };
  const auto softmax = Activation::kSoftmax, sigmoid = Activation::kSigmoid,
             none = Activation::kLinear;
  for (const char* loss : {"sparse_categorical_crossentropy", "categorical_crossentropy",
                           "categorical_focal_crossentropy"}) {
    const Graph graph = chain(softmax, loss);
    const Plan plan = make_plan(graph, {});
    EXPECT_EQ(plan.steps.size(), 1u) << loss;
    EXPECT_EQ(plan.outputs.front().activation, softmax) << loss;
    EXPECT_EQ(taken(chain(sigmoid, loss)), none) << loss;
  }
  for (const char* loss : {"binary_crossentropy", "binary_focal_crossentropy"}) {
    const Graph graph = chain(sigmoid, loss);
    const Plan plan = make_plan(graph, {});
    EXPECT_EQ(plan.steps.size(), 1u) << loss;
    EXPECT_EQ(plan.steps[0].activation, none) << loss;
    EXPECT_EQ(plan.outputs.front().activation, sigmoid) << loss;
    EXPECT_EQ(taken(chain(softmax, loss)), none) << loss;
  }
  for (const char* loss : {"mse", "kl_divergence", "hinge"}) {
    EXPECT_EQ(taken(chain(softmax, loss)), none) << loss;
    EXPECT_EQ(taken(chain(sigmoid, loss)), none) << loss;
  }
  EXPECT_EQ(taken(GraphBuilder({4}).build(kSparse)), none);
  EXPECT_EQ(taken(GraphBuilder({4}).activation(softmax).dense(3).build(kSparse)), none);
  // The loss would take it for one over the last axis, which has nothing to share.
  const ActivationOp over_rows{.activation = softmax, .axis = 0};
  EXPECT_EQ(taken(GraphBuilder({5, 1}).dense(1).then(over_rows, {5, 1}).build(kCategorical)), none);
}

TEST(PlanTest, WhatTheOutputDoesNotNeedIsLeftOut) {
  GraphBuilder builder({3});
  const ValueId input = builder.here();
  const Graph graph =
      builder.dense(2).activation(Activation::kTanh).from(input).dense(4).build(kMse);
  EXPECT_THAT(names_of(graph), ElementsAre("op2"));
}

// --- Gradients ---

TEST(PlanTest, OnlyWhatIsTrainedOrBehindItHasABackward) {
  const auto kernel = std::make_shared<IdentityKernel>();
  const Graph graph = GraphBuilder({4, 4, 1})
                          .max_pool()
                          .host(kernel)
                          .host(kernel, {2})
                          .conv({.kernel_h = 1, .kernel_w = 1})
                          .dropout(0.5f, 1)
                          .build(kMse);
  std::vector<bool> backward;
  for (const Step& step : make_plan(graph, {}).steps) backward.push_back(step.has_backward);
  EXPECT_THAT(backward, ElementsAre(false, false, true, true, true));
}

TEST(PlanTest, ForInferenceThereIsNone) {
  const Graph graph = testing::mnist_cnn();
  for (const Step& step : make_plan(graph, {.purpose = Purpose::kInference}).steps) {
    EXPECT_FALSE(step.has_backward);
    EXPECT_FALSE(step.inputs[0].gradient != GradientUse::kNone);
  }
}

TEST(PlanTest, FrozenParametersPassGradientsAndHaveNone) {
  GraphBuilder builder({3});
  builder.dense(3).freeze().dense(3).dense(3);
  Graph graph = builder.build(kMse);
  auto& last = std::get<DenseOp>(graph.ops[2].kind);
  last.kernel.role = last.bias->role = ParameterRole::kFrozen;
  const Plan plan = make_plan(graph, {});
  EXPECT_FALSE(plan.steps[0].has_backward);
  EXPECT_EQ(plan.steps[1].inputs[0].gradient, GradientUse::kNone);
  EXPECT_EQ(plan.steps[1].parameters[0].gradient, GradientUse::kWritten);
  EXPECT_TRUE(plan.steps[2].has_backward);
  EXPECT_EQ(plan.steps[2].inputs[0].gradient, GradientUse::kWritten);
  EXPECT_EQ(plan.steps[2].parameters[0].gradient, GradientUse::kNone);
}

TEST(PlanTest, TheLastReaderWritesAGradientAndOthersAdd) {
  GraphBuilder builder({3});
  builder.dense(3);
  const ValueId fork = builder.here();
  builder.activation(Activation::kTanh);  // op1
  const ValueId one = builder.here();
  builder.from(fork).activation(Activation::kSigmoid);                   // op2
  const Graph graph = builder.merge({}, {one, fork, fork}).build(kMse);  // op3
  const Plan plan = make_plan(graph, {});
  using enum GradientUse;
  std::vector<GradientUse> merged;
  for (const Step::Input& input : step_of(plan, "op3").inputs) merged.push_back(input.gradient);
  EXPECT_THAT(merged, ElementsAre(kShared, kWritten, kWritten, kAdded));
  EXPECT_EQ(step_of(plan, "op2").inputs[0].gradient, kAdded);
  EXPECT_EQ(step_of(plan, "op1").inputs[0].gradient, kAdded);
}

std::vector<GradientUse> gradients_of_last_inputs(const Graph& graph) {
  const Plan plan = make_plan(graph, {});
  std::vector<GradientUse> uses;
  for (const Step::Input& use : plan.steps.back().inputs) uses.push_back(use.gradient);
  return uses;
}

TEST(PlanTest, OnlyASumSharesItsGradientAndOnlyOneInputMayChangeIt) {
  const auto merged = [](MergeOp op, const Activation& activation, bool twice) {
    GraphBuilder builder({3});
    const ValueId input = builder.here();
    const ValueId one = builder.dense(3).activation(activation).here();
    builder.from(input).dense(3).activation(activation);
    const ValueId other = builder.here();
    return gradients_of_last_inputs(builder.merge(op, {twice ? other : one}).build(kMse));
  };
  using enum GradientUse;
  const Activation linear = Activation::kLinear, tanh = Activation::kTanh;
  EXPECT_THAT(merged({MergeOp::Kind::kAdd}, linear, false), ElementsAre(kShared, kShared));
  // Dense layers multiply by the derivative of tanh in place.
  EXPECT_THAT(merged({MergeOp::Kind::kAdd}, tanh, false), ElementsAre(kShared, kWritten));
  // Doubled in place, it would be wrong for further inputs.
  EXPECT_THAT(merged({MergeOp::Kind::kAdd}, linear, true), ElementsAre(kWritten, kAdded));
  EXPECT_THAT(merged({MergeOp::Kind::kSubtract}, linear, false), ElementsAre(kWritten, kWritten));
}

TEST(PlanTest, AnInputSharesAGradientThatIsReadBeforeItChanges) {
  using enum GradientUse;
  GraphBuilder builder({4, 4, 3});
  const ValueId shortcut = builder.conv({.filters = 3, .padding = {1, 1, 1, 1}}).here();
  builder.batch_norm().activation(Activation::kRelu);  // adds to the shortcut's gradient last
  const Graph residual = builder.conv({.filters = 3, .padding = {1, 1, 1, 1}})
                             .batch_norm()
                             .merge({}, {shortcut})
                             .build(kMse);
  EXPECT_THAT(gradients_of_last_inputs(residual), ElementsAre(kShared, kShared));

  // The branch before the shortcut's other reader would see what that adds.
  GraphBuilder early({3});
  const ValueId input = early.here();
  const ValueId branch = early.dense(3).here();
  const ValueId read_twice = early.from(input).dense(3).here();
  const ValueId reader = early.activation(Activation::kTanh).here();
  const Graph graph = early.from(branch).merge({}, {read_twice, reader}).build(kMse);
  EXPECT_THAT(gradients_of_last_inputs(graph), ElementsAre(kWritten, kShared, kWritten));
}

TEST(PlanTest, AMergeTakesAnActivationAlongUnlessItComparesItsInputsWithTheOutput) {
  const auto names = [](MergeOp::Kind kind) {
    GraphBuilder builder({3});
    const ValueId input = builder.dense(3).here();
    builder.activation(Activation::kTanh).merge({kind}, {input});
    return names_of(builder.activation(Activation::kRelu).build(kMse));
  };
  using enum MergeOp::Kind;
  for (const MergeOp::Kind kind : {kAdd, kSubtract, kMultiply, kAverage}) {
    EXPECT_THAT(names(kind), ElementsAre("op0", "op1", "op2"));
  }
  for (const MergeOp::Kind kind : {kMaximum, kMinimum}) {
    EXPECT_THAT(names(kind), ElementsAre("op0", "op1", "op2", "op3"));
  }
}

TEST(PlanTest, TheSumThatCompletesAGradientDifferentiates) {
  GraphBuilder builder({3});
  const ValueId fork = builder.dense(3).activation(Activation::kTanh).here();  // op0
  const ValueId one = builder.dense(3).here();                                 // op2
  builder.from(fork).dense(3).merge({}, {one, fork});                          // op3, op4
  const Graph graph = builder.build(kMse);
  const Plan plan = make_plan(graph, {});
  EXPECT_TRUE(output_of(plan, "op0").sum_differentiates);
  EXPECT_TRUE(step_of(plan, "op2").inputs[0].differentiates_sum);
  EXPECT_FALSE(step_of(plan, "op3").inputs[0].differentiates_sum);
  EXPECT_FALSE(output_of(plan, "op2").sum_differentiates) << "which has no activation";
}

TEST(PlanTest, AnOutputThatIsReadOnHasItsFirstGradientFromTheLoss) {
  GraphBuilder builder({3});
  builder.dense(3);
  const ValueId output = builder.here();
  Graph graph = builder.activation(Activation::kTanh).build(kMse);
  graph.outputs.front().value = output;  // and op1 is not needed
  EXPECT_THAT(names_of(graph), ElementsAre("op0"));
  graph = GraphBuilder({3}).dense(3).activation(Activation::kSoftmax).build(kSparse);
  EXPECT_TRUE(output_of(make_plan(graph, {}), "op0").is_output);
}

TEST(PlanTest, EachOutputHasAGradientFromItsLossAndAllReadersAdd) {
  GraphBuilder builder({3});
  const ValueId inside = builder.dense(3).here();
  builder.activation(Activation::kTanh).dense(2).activation(Activation::kSoftmax);
  const Graph graph = builder.build({{inside, kMse}, {builder.here(), kSparse}, {inside, kMse}});
  const Plan plan = make_plan(graph, {});
  ASSERT_EQ(plan.outputs.size(), 3u);
  using enum GradientUse;
  EXPECT_EQ(plan.outputs[0].gradient, kWritten);
  EXPECT_EQ(plan.outputs[1].gradient, kWritten);
  EXPECT_EQ(plan.outputs[2].gradient, kAdded);
  EXPECT_EQ(plan.outputs[0].activation, Activation::kLinear);
  EXPECT_EQ(plan.outputs[1].activation, Activation::kSoftmax);
  EXPECT_EQ(plan.outputs[2].activation, Activation::kLinear);
  EXPECT_EQ(plan.outputs[0].tensor, plan.outputs[2].tensor);
  EXPECT_THAT(names_of(plan), ElementsAre("op0", "op1", "op2")) << "nothing fused into an output";
  EXPECT_EQ(step_of(plan, "op1").inputs[0].gradient, kAdded);
  for (const PlannedOutput& output : make_plan(graph, {.purpose = Purpose::kInference}).outputs) {
    EXPECT_EQ(output.gradient, kNone);
  }
}

TEST(PlanTest, OpsThatShareParametersAddTheirGradientsUp) {
  const Graph graph = GraphBuilder({3}).dense(3).share(0).dense(3).share(0).dense(3).build(kMse);
  const Plan plan = make_plan(graph, {});
  const auto use = [&](size_t step) { return plan.steps[step].parameters[0]; };
  EXPECT_EQ(use(2).gradient, GradientUse::kWritten);
  EXPECT_EQ(use(1).gradient, GradientUse::kAdded);
  EXPECT_EQ(use(0).gradient, GradientUse::kAdded);
  EXPECT_FALSE(use(2).is_complete || use(1).is_complete);
  EXPECT_TRUE(use(0).is_complete);
}

TEST(PlanTest, AReaderDifferentiatesOnlyWhatIsItsOwn) {
  const PlanOptions options{.differentiates = [](const Op& op, const Activation&) {
    return std::holds_alternative<Pool2DOp>(op.kind);
  }};
  GraphBuilder builder({4, 4, 1});
  builder.conv({.kernel_h = 1, .kernel_w = 1}).activation(Activation::kRelu);
  const ValueId fork = builder.here();
  builder.max_pool();
  EXPECT_TRUE(output_of(make_plan(GraphBuilder(builder).build(kMse), options), "op0")
                  .reader_differentiates);
  const ValueId pooled = builder.here();
  const Graph graph = builder.from(fork).max_pool().merge({}, {pooled}).build(kMse);
  EXPECT_FALSE(output_of(make_plan(graph, options), "op0").reader_differentiates);
}

// --- Types ---

TEST(PlanTest, CastsComeInWhereNeighboursDisagreeOncePerTensor) {
  const PlanOptions mixed{.precision = Precision::kMixedBfloat16};
  GraphBuilder builder({4});
  const ValueId input = builder.here();
  builder.dense(4);
  const ValueId one = builder.here();
  builder.from(input).dense(4);
  const Graph graph = builder.merge({}, {one}).dense(3).build(kMse);
  const Plan plan = make_plan(graph, mixed);
  EXPECT_THAT(names_of(plan),
              ElementsAre("cast", "op0", "op1", "cast", "cast", "op2", "cast", "op3"));
  EXPECT_EQ(output_of(plan, "op0").type, Type::kBfloat16);
  EXPECT_EQ(output_of(plan, "op2").type, Type::kFloat32);
  EXPECT_EQ(output_of(plan, "op3").type, Type::kFloat32);  // a last dense layer's sums
  const Graph pooled = GraphBuilder({2, 2, 1}).conv({.kernel_h = 1, .kernel_w = 1}).build(kMse);
  EXPECT_THAT(names_of(make_plan(pooled, mixed)), ElementsAre("cast", "op0", "cast"));
}

// --- Layouts: "p" plain or "b" blocks of 16 channels, what each step writes ---

std::string layouts_of(GraphBuilder& builder, PlanOptions options) {
  const Graph graph = builder.build(kMse);
  options.in_blocks = true;
  const Plan plan = make_plan(graph, options);
  std::string text;
  for (const Step& step : plan.steps) {
    text += plan.tensors[step.output].layout == Layout::kPlain ? 'p' : 'b';
  }
  return text;
}

std::string layouts_of(GraphBuilder& builder, Precision precision = Precision::kFloat32) {
  return layouts_of(builder, PlanOptions{.precision = precision});
}

const ConvSpec k16{.filters = 16}, k32{.filters = 32}, k20{.filters = 20};

TEST(PlanTest, ConvolutionsBetweenTheInputAndAPoolingAreInBlocks) {
  for (int64_t channels : {1, 3}) {
    GraphBuilder builder({12, 12, channels});
    builder.conv(k16).activation(Activation::kRelu).conv(k32).activation(Activation::kRelu);
    EXPECT_EQ(layouts_of(builder.max_pool()), "bbp");
    // A cast in front, and one behind.
    EXPECT_EQ(layouts_of(builder, Precision::kMixedBfloat16), "pbbpp");
  }
}

TEST(PlanTest, APoolingInFrontWritesTheBlocks) {
  GraphBuilder builder({20, 20, 4});  // too many channels to start in blocks
  builder.conv(k16).max_pool().conv(k16).conv(k32).max_pool().flatten().dense(2);
  EXPECT_EQ(layouts_of(builder), "pbbbpp");
  GraphBuilder nothing_but_poolings({8, 8, 16});
  EXPECT_EQ(layouts_of(nothing_but_poolings.max_pool().max_pool()), "pp");
}

TEST(PlanTest, OneOddConvolutionKeepsItsNeighboursPlain) {
  GraphBuilder odd_filters({12, 12, 1});
  EXPECT_EQ(layouts_of(odd_filters.conv(k16).conv(k20).max_pool()), "ppp");
  GraphBuilder odd_pool({12, 12, 20});
  EXPECT_EQ(layouts_of(odd_pool.max_pool().conv(k16).max_pool()), "ppp");
  GraphBuilder four_channels({12, 12, 4});
  EXPECT_EQ(layouts_of(four_channels.conv(k16).max_pool()), "pp");
}

TEST(PlanTest, GroupsAreInBlocksWhereOnednnHasKernelsForThem) {
  const auto layouts = [](int64_t channels, const ConvSpec& spec) {
    GraphBuilder builder({12, 12, 1});
    return layouts_of(builder.conv({.filters = channels}).conv(spec).max_pool());
  };
  EXPECT_EQ(layouts(32, {.filters = 32, .groups = 32}), "bbp");
  EXPECT_EQ(layouts(32, {.filters = 64, .groups = 2}), "bbp");
  EXPECT_EQ(layouts(32, {.filters = 64, .groups = 32}), "ppp");
  EXPECT_EQ(layouts(32, {.filters = 32, .groups = 4}), "ppp");
}

TEST(PlanTest, TransposedConvolutionsPreferBlocksButStartFromNoImageOfFewChannels) {
  const ConvSpec transposed{.filters = 16, .transposed = true};
  GraphBuilder behind({12, 12, 1});
  EXPECT_EQ(layouts_of(behind.conv(k16).conv(transposed).max_pool()), "bbp");
  GraphBuilder first({12, 12, 3});
  EXPECT_EQ(layouts_of(first.conv(transposed).max_pool()), "pp");
}

TEST(PlanTest, WhatSomebodyReadsWhoTakesNoBlocksIsPlain) {
  GraphBuilder dense({6, 6, 1});
  EXPECT_EQ(layouts_of(dense.conv(k16).flatten().dense(2)), "pp");
  GraphBuilder last({6, 6, 1});
  EXPECT_EQ(layouts_of(last.conv(k16)), "p");
  GraphBuilder dropout({6, 6, 1});
  EXPECT_EQ(layouts_of(dropout.conv(k16).dropout(0.5f, 1).max_pool()), "bbp") << "which takes them";
  GraphBuilder reshaped({6, 6, 1});
  EXPECT_EQ(layouts_of(reshaped.conv(k16).reshape({2, 8, 16}).max_pool()), "pp");
  GraphBuilder reshaped_in_front({8, 8, 16});
  reshaped_in_front.max_pool().reshape({2, 8, 16}).conv({.filters = 16, .kernel_h = 1});
  EXPECT_EQ(layouts_of(reshaped_in_front.max_pool()), "ppp");
}

TEST(PlanTest, BranchesOfAMergeAreInBlocksTogetherOrNotAtAll) {
  const auto residual = [](bool is_read_elsewhere) {
    GraphBuilder builder({8, 8, 3});
    const ConvSpec same{.filters = 16, .padding = {1, 1, 1, 1}};
    builder.conv(same).activation(Activation::kRelu);
    const ValueId shortcut = builder.here();
    builder.conv(same).merge({}, {shortcut});
    if (is_read_elsewhere) builder.host(std::make_shared<IdentityKernel>());
    return layouts_of(builder.max_pool());
  };
  EXPECT_EQ(residual(false), "bbbp");
  EXPECT_EQ(residual(true), "ppppp");
}

bool gains_from_blocks(const Op& op, Type type, const Shape& x, const Shape& y) {
  return std::holds_alternative<Conv2DOp>(op.kind) && type == Type::kFloat32 && x[2] % 16 == 0 &&
         y[2] % 16 == 0;
}

std::string layouts_with_conversions(GraphBuilder& builder,
                                     Precision precision = Precision::kFloat32) {
  return layouts_of(builder, {.precision = precision, .gains_from_blocks = gains_from_blocks});
}

TEST(PlanTest, AConvolutionThatGainsFromBlocksIsConvertedFor) {
  const auto host = std::make_shared<IdentityKernel>();
  GraphBuilder first({12, 12, 16});
  EXPECT_EQ(layouts_with_conversions(first.conv(k16).max_pool()), "bbp");
  GraphBuilder last({12, 12, 1});
  EXPECT_EQ(layouts_with_conversions(last.conv(k16).conv(k32)), "bbp");
  GraphBuilder between({12, 12, 16});
  EXPECT_EQ(layouts_with_conversions(between.host(host).conv(k16).conv(k32).host(host)), "pbbbpp");
  EXPECT_EQ(layouts_with_conversions(between, Precision::kMixedBfloat16), "pppppp");
  GraphBuilder odd({12, 12, 16});  // gains nothing
  EXPECT_EQ(layouts_with_conversions(odd.host(host).conv(k20).max_pool()), "ppp");
}

TEST(PlanTest, AnImageIsConvertedOnce) {
  const auto host = std::make_shared<IdentityKernel>();
  const ConvSpec same{.filters = 16, .padding = {1, 1, 1, 1}};
  GraphBuilder builder({8, 8, 16});
  const ValueId image = builder.host(host).here();
  const ValueId one = builder.conv(same).here();
  builder.from(image).conv(same).merge({}, {one});
  EXPECT_EQ(layouts_with_conversions(builder.max_pool()), "pbbbbp");
  // A second convolution takes it as the first one wrote it.
  GraphBuilder written({8, 8, 16});
  const ValueId y = written.conv(same).here();
  const ValueId other = written.host(host).here();
  written.from(y).conv(same).merge({}, {other});
  EXPECT_EQ(layouts_with_conversions(written.max_pool()), "bbppbppp");
}

TEST(PlanTest, AnActivationStaysWithTheConvolutionThatIsConvertedFor) {
  GraphBuilder builder({8, 8, 16});
  builder.conv(k16).activation(Activation::kRelu).host(std::make_shared<IdentityKernel>());
  const Graph graph = builder.build(kMse);
  const Plan plan = make_plan(graph, {.in_blocks = true, .gains_from_blocks = gains_from_blocks});
  ASSERT_THAT(names_of(plan), ElementsAre("cast", "op0", "cast", "op2"));
  EXPECT_EQ(plan.tensors[plan.steps[1].output].activation, Activation::kRelu);
  const Tensor& plain = plan.tensors[plan.steps[2].output];
  EXPECT_EQ(plain.activation, Activation::kLinear);
  EXPECT_EQ(plain.step, 2u);
  EXPECT_THAT(plain.readers, ElementsAre(3u));
}

// A border of one pixel around an image.
GraphBuilder& pad(GraphBuilder& builder, Shape shape) {
  RearrangeOp op{{{.from = 0, .before = 1}, {.from = 1, .before = 1}, {.from = 2}}};
  return builder.then(std::move(op), {shape[0] + 2, shape[1] + 2, shape[2]});
}

TEST(PlanTest, WholeBlocksOfChannelsAreMovedAndJoined) {
  const auto joined = [](const ConvSpec& other) {
    GraphBuilder builder({8, 8, 3});
    const ValueId input = builder.here();
    const ValueId first = builder.conv(k16).here();
    pad(builder.from(input).conv(other).concatenate(2, {first}), {6, 6, 16 + other.filters});
    builder.then(InterpolateOp{.axis = 1, .factor = 2}, {8, 16, 16 + other.filters});
    return layouts_of(builder.conv(k16).max_pool());
  };
  EXPECT_EQ(joined(k32), "bbbbbbp");
  EXPECT_EQ(joined(k20), "ppppppp");
  // Channels that change places are none.
  GraphBuilder turned({8, 8, 3});
  turned.conv(k16).then(RearrangeOp{{{.from = 2}, {.from = 1}, {.from = 0}}}, {16, 6, 6});
  EXPECT_EQ(layouts_of(turned.max_pool()), "ppp");
}

TEST(PlanTest, AFirstImageOfFewChannelsMayBePreparedBefore) {
  GraphBuilder builder({8, 8, 3});
  EXPECT_EQ(layouts_of(pad(builder, {8, 8, 3}).conv(k16).max_pool()), "pbp");
}

TEST(PlanTest, WhatMovesElementsTakesThemInTheTypeThatTheyHave) {
  GraphBuilder builder({8, 8, 3});
  pad(builder, {8, 8, 3}).conv(k16);
  pad(builder, {8, 8, 16}).conv(k16).max_pool();
  const Graph graph = builder.build(kMse);
  const Plan plan = make_plan(graph, {.precision = Precision::kMixedBfloat16});
  EXPECT_THAT(names_of(plan), ElementsAre("op0", "cast", "op1", "op2", "op3", "op4", "cast"));
}

TEST(PlanTest, WhatMovesNothingIsDropped) {
  GraphBuilder builder({4, 3});
  builder.then(RearrangeOp{{{.from = 0}, {.from = 1}}}, {4, 3});
  builder.then(InterpolateOp{.axis = 0, .factor = 1}, {4, 3}).dense(2);
  EXPECT_THAT(names_of(builder.build(kMse)), ElementsAre("op2"));
}

// --- What only inference does ---

constexpr PlanOptions kFolding = {.purpose = Purpose::kInference, .folds = true};

TEST(PlanTest, ForInferenceNoiseIsDropped) {
  const Graph graph = GraphBuilder({4}).dropout(0.5f, 1).dense(2).build(kMse);
  EXPECT_EQ(names_of(graph).size(), 2u);
  EXPECT_EQ(make_plan(graph, {.purpose = Purpose::kInference}).steps.size(), 1u);
}

TEST(PlanTest, ForInferenceAConvolutionTakesTheNormalizationAndActivationBehindItAlong) {
  const Graph graph = GraphBuilder({4, 4, 4})
                          .conv({.filters = 2})
                          .batch_norm()
                          .activation(Activation::kRelu)
                          .batch_norm()
                          .build(kMse);
  const Plan plan = make_plan(graph, kFolding);
  EXPECT_THAT(names_of(plan), ElementsAre("op0", "op3"));
  EXPECT_EQ(plan.steps[0].normalization, &std::get<BatchNormOp>(graph.ops[1].kind));
  EXPECT_EQ(plan.steps[0].activation, Activation::kRelu);
  EXPECT_EQ(make_plan(graph, {.folds = true}).steps.size(), 3u);  // in training it does not
  EXPECT_EQ(make_plan(graph, {.purpose = Purpose::kInference}).steps.size(), 3u);
}

TEST(PlanTest, WhatSomebodyElseReadsTakesNoNormalization) {
  GraphBuilder builder({4, 4, 4});
  const ValueId x = builder.conv({.filters = 4}).here();
  const Graph graph = builder.batch_norm().merge({}, {x}).build(kMse);
  EXPECT_EQ(make_plan(graph, kFolding).steps[0].normalization, nullptr);
}

TEST(PlanTest, ForInferenceAConvolutionAddsToWhatNobodyReadsBehindIt) {
  GraphBuilder builder({4, 4, 4});
  const ConvSpec same{.filters = 4, .kernel_h = 1, .kernel_w = 1};
  const ValueId x = builder.conv(same).here();
  builder.conv(same).conv(same).batch_norm().merge({}, {x});
  const Graph graph = builder.activation(Activation::kRelu).build(kMse);
  const Plan plan = make_plan(graph, kFolding);
  ASSERT_THAT(names_of(plan), ElementsAre("op0", "op1", "op2"));
  const Step& sum = plan.steps[2];
  EXPECT_TRUE(sum.adds);
  EXPECT_NE(sum.normalization, nullptr);
  EXPECT_EQ(sum.activation, Activation::kRelu);
  ASSERT_EQ(sum.inputs.size(), 2u);
  EXPECT_EQ(sum.inputs[1].tensor, plan.steps[0].output);
}

TEST(PlanTest, AConvolutionDoesNotAddToItsOwnImage) {
  GraphBuilder builder({4, 4, 4});
  const ConvSpec same{.filters = 4, .kernel_h = 1, .kernel_w = 1};
  const ValueId x = builder.conv(same).here();
  const Graph graph = builder.conv(same).merge({}, {x}).build(kMse);
  for (const Step& step : make_plan(graph, kFolding).steps) EXPECT_FALSE(step.adds);
}

TEST(PlanTest, WhatIsReadLaterIsNotAddedTo) {
  GraphBuilder builder({4, 4, 4});
  const ConvSpec same{.filters = 4, .kernel_h = 1, .kernel_w = 1};
  const ValueId image = builder.here();  // the memory of the graph's input is the caller's
  const ValueId x = builder.conv(same).here();
  builder.conv(same).conv(same).merge({}, {x}).merge({}, {x});
  const Graph graph = builder.conv(same).merge({}, {image}).build(kMse);
  for (const Step& step : make_plan(graph, kFolding).steps) EXPECT_FALSE(step.adds);
}

}  // namespace
}  // namespace sluice::backend
