// Gradients against central differences of the loss, for every operation and every loss: of an
// operation's own parameters, and of its input by a layer with parameters in front of it.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <ostream>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

double loss_at(Replica& replica, size_t i, float value, const Batch& batch) {
  float& parameter = replica.parameters()[i];
  const float before = parameter;
  parameter = value;
  replica.parameters_changed();
  const StepMetrics metrics = replica.evaluate(batch);
  parameter = before;
  return metrics.loss_sum / static_cast<double>(metrics.samples);
}

// Compares with differences to both sides and to either side, at several step sizes, and keeps the
// best: a step may cross the kink of a ReLU or a maximum, seldom on both sides at every size.
double smallest_difference(Replica& replica, size_t i, double gradient, const Batch& batch) {
  const float at = replica.parameters()[i];
  const double loss = loss_at(replica, i, at, batch);
  double best = INFINITY;
  const auto compare = [&](double rise, float from, float to) {
    const double run = static_cast<double>(to) - static_cast<double>(from);
    best = std::min(best, std::abs(rise / run - gradient));
  };
  for (float step : {1e-2f, 3e-3f, 1e-3f, 3e-4f}) {
    const float high = at + step, low = at - step;
    const double loss_high = loss_at(replica, i, high, batch);
    const double loss_low = loss_at(replica, i, low, batch);
    compare(loss_high - loss_low, low, high);
    compare(loss_high - loss, at, high);
    compare(loss - loss_low, low, at);
  }
  return best;
}

void expect_gradients(const Graph& graph, int64_t batch_size) {
  SCOPED_TRACE("batch " + std::to_string(batch_size));
  auto replica = make_replica(graph, {.batch_size = batch_size});
  const Samples samples(graph, batch_size, 13);
  const StepMetrics trained = replica->train_step(samples.batch());
  EXPECT_NEAR(trained.loss_sum, replica->evaluate(samples.batch()).loss_sum, 1e-4 * batch_size);
  const std::vector<float> gradients = copy_of(replica->gradients());
  double largest = 0;
  for (float g : gradients) largest = std::max(largest, std::abs(static_cast<double>(g)));
  EXPECT_GT(largest, 1e-3) << "the test itself: a graph without gradients checks nothing";
  // Every parameter of small graphs, an even sample of larger ones.
  const size_t stride = std::max<size_t>(1, gradients.size() / 150);
  for (size_t i = 0; i < gradients.size(); i += stride) {
    const double tolerance = 2e-3 * largest + 5e-3 * std::abs(gradients[i]) + 2e-5;
    EXPECT_LE(smallest_difference(*replica, i, gradients[i], samples.batch()), tolerance)
        << "parameter " << i << " with gradient " << gradients[i];
  }
}

struct Case {
  std::string name;
  Graph graph;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr Padding2D kAround{1, 1, 1, 1};
constexpr Padding2D kBottomRight{0, 1, 0, 1};  // Keras' "same" for even sizes and stride 2
constexpr LossSpec kMse = MeanSquaredError{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};
constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};

// The operation in question between a convolution and a dense layer.
GraphBuilder images(int64_t channels, int64_t height = 6, int64_t width = 6) {
  GraphBuilder builder({height, width, 2});
  builder.conv({.filters = channels, .kernel_h = 1, .kernel_w = 1});
  return builder;
}
Graph finish(GraphBuilder builder, LossSpec loss = kMse) {
  return builder.flatten().dense(3).build(loss);
}
// The same with a ReLU in front, whose mask the consumer may apply.
GraphBuilder rectified(int64_t channels, int64_t height = 6, int64_t width = 6) {
  GraphBuilder builder = images(channels, height, width);
  builder.activation(Activation::kRelu);
  return builder;
}

std::vector<Case> convolutions() {
  return {
      {"conv_valid", finish(images(3).conv({.filters = 4}))},
      {"conv_no_bias", finish(images(3).conv({.filters = 4, .bias = false}))},
      {"conv_same", finish(images(3, 5, 7).conv({.filters = 2, .padding = kAround}))},
      {"conv_strided_same",
       finish(
           images(3).conv({.filters = 4, .stride_h = 2, .stride_w = 2, .padding = kBottomRight}))},
      {"conv_even_kernel", finish(images(2, 5, 5).conv({.filters = 3,
                                                        .kernel_h = 2,
                                                        .kernel_w = 4,
                                                        .stride_h = 1,
                                                        .stride_w = 2,
                                                        .padding = {0, 1, 1, 2}}))},
      {"conv_16_channels", finish(images(16, 5, 5).conv({.filters = 16}))},
      {"conv_blocked_relu_pool", finish(GraphBuilder({8, 8, 1})
                                            .conv({.filters = 16})
                                            .activation(Activation::kRelu)
                                            .conv({.filters = 32})
                                            .activation(Activation::kRelu)
                                            .max_pool())},
      {"conv_blocked_colour", finish(GraphBuilder({9, 9, 3})
                                         .conv({.filters = 16, .padding = kAround})
                                         .activation(Activation::kTanh)
                                         .max_pool(3)
                                         .conv({.filters = 16})
                                         .pool({.kind = Pool2DOp::Kind::kAverage,
                                                .pool_h = 1,
                                                .pool_w = 1,
                                                .stride_h = 1,
                                                .stride_w = 1}))},
      {"conv_winograd",  // in batches of 16
       finish(GraphBuilder({14, 14, 2})
                  .conv({.filters = 32})
                  .activation(Activation::kRelu)
                  .conv({.filters = 32, .padding = kAround})
                  .activation(Activation::kRelu)
                  .max_pool())},
      {"conv_dilated",
       finish(images(3, 7, 8).conv({.filters = 4, .dilation_h = 2, .dilation_w = 3}))},
      {"conv_grouped", finish(images(6).conv({.filters = 4, .padding = kAround, .groups = 2}))},
      {"conv_grouped_blocked",
       finish(images(32).conv({.filters = 64, .groups = 2}).activation(Activation::kRelu))},
      {"conv_multiplied", finish(images(16).conv({.filters = 32, .bias = false, .groups = 16}))},
      {"conv_depthwise_blocked",
       finish(images(16)
                  .conv({.filters = 16, .padding = kAround, .groups = 16})
                  .activation(Activation::kTanh)
                  .conv({.filters = 16, .dilation_h = 2, .dilation_w = 2, .groups = 16})
                  .max_pool())},
      {"conv_depthwise_large", finish(images(16)
                                          .conv({.filters = 16, .padding = kAround})
                                          .conv({.filters = 16,
                                                 .kernel_h = 5,
                                                 .kernel_w = 4,
                                                 .padding = {2, 2, 1, 2},
                                                 .groups = 16})
                                          .activation(Activation::kRelu)
                                          .conv({.filters = 16, .stride_h = 3, .stride_w = 3}))},
      {"conv_transposed", finish(images(3, 3, 4)
                                     .conv({.filters = 4,
                                            .kernel_w = 4,
                                            .stride_h = 2,
                                            .stride_w = 3,
                                            .padding = kBottomRight,
                                            .transposed = true,
                                            .more_h = 1,
                                            .more_w = 2})
                                     .activation(Activation::kTanh))},
      {"conv_transposed_dilated",
       finish(images(3, 3, 4).conv(
           {.filters = 2, .bias = false, .dilation_h = 2, .dilation_w = 3, .transposed = true}))},
      {"conv_transposed_blocked",
       finish(GraphBuilder({9, 9, 1})
                  .conv({.filters = 16, .stride_h = 2, .stride_w = 2})
                  .activation(Activation::kRelu)
                  .conv({.filters = 32, .stride_h = 2, .stride_w = 2, .transposed = true})
                  .activation(Activation::kRelu)
                  .max_pool())},
      {"conv_relu", finish(images(3).conv({.filters = 4}).activation(Activation::kRelu))},
      {"conv_sigmoid", finish(images(3).conv({.filters = 4}).activation(Activation::kSigmoid))},
      {"conv_tanh", finish(images(3).conv({.filters = 4}).activation(Activation::kTanh))},
      {"conv_relu_conv", finish(rectified(3).conv({.filters = 4}).activation(Activation::kRelu))},
  };
}

std::vector<Case> poolings() {
  using Kind = Pool2DOp::Kind;
  return {
      {"max_pool", finish(images(3).max_pool())},
      {"max_pool_relu", finish(rectified(3).max_pool())},
      {"max_pool_16_relu", finish(rectified(16).max_pool())},
      {"max_pool_16_odd", finish(rectified(16, 7, 5).max_pool())},
      {"max_pool_20", finish(rectified(20).max_pool())},
      {"max_pool_overlapping",
       finish(rectified(3, 7, 7).pool({.pool_h = 3, .pool_w = 3, .stride_h = 2, .stride_w = 2}))},
      {"max_pool_same", finish(rectified(16, 5, 7).pool({Kind::kMax, 3, 2, 2, 1, {1, 1, 0, 1}}))},
      {"max_pool_gaps",
       finish(images(4).pool({.pool_h = 2, .pool_w = 1, .stride_h = 3, .stride_w = 2}))},
      {"max_pool_whole_image", finish(rectified(3, 17, 16).pool({Kind::kMax, 17, 16, 1, 1, {}}))},
      {"average_pool", finish(images(3).pool({.kind = Kind::kAverage}))},
      {"average_pool_relu_same",
       finish(rectified(18, 5, 7).pool({Kind::kAverage, 3, 3, 2, 2, {1, 1, 1, 1}}))},
      {"average_pool_overlapping",
       finish(images(16, 5, 5).pool({Kind::kAverage, 2, 3, 1, 1, {0, 1, 1, 1}}))},
  };
}

std::vector<Case> dense_and_activations() {
  const auto dense = [](int64_t inputs, int64_t units) {
    return GraphBuilder(GraphBuilder({inputs}).dense(units));
  };
  return {
      {"dense", dense(5, 3).dense(2).build(kMse)},
      {"dense_no_bias", GraphBuilder({5}).dense(3, false).dense(2, false).build(kMse)},
      {"dense_wide", dense(33, 49).activation(Activation::kRelu).dense(17).build(kMse)},
      {"dense_one_unit", dense(9, 1).build(kMse)},
      {"dense_many_rows", GraphBuilder({128, 3}).dense(4).dense(2).build(kMse)},
      {"dense_rank_3", GraphBuilder({2, 3, 4}).dense(5).dense(3).build(kMse)},
      {"dense_rank_2_relu",
       GraphBuilder({3, 20}).dense(18).activation(Activation::kRelu).dense(2).build(kMse)},
      {"dense_sigmoid", dense(5, 4).activation(Activation::kSigmoid).dense(2).build(kMse)},
      {"dense_tanh", dense(5, 4).activation(Activation::kTanh).dense(2).build(kMse)},
      {"dense_relu_last", dense(5, 4).activation(Activation::kRelu).build(kMse)},
      {"two_activations",
       dense(5, 4).activation(Activation::kTanh).activation(Activation::kSigmoid).build(kMse)},
      {"relu_behind_pool",
       finish(images(3).pool({.kind = Pool2DOp::Kind::kAverage}).activation(Activation::kRelu))},
      {"softmax_inside", dense(5, 4).activation(Activation::kSoftmax).dense(3).build(kMse)},
      {"softmax_rank_2",
       GraphBuilder({3, 4}).dense(5).activation(Activation::kSoftmax).dense(2).build(kMse)},
      {"host", dense(5, 4).host(std::make_shared<IdentityKernel>()).dense(2).build(kMse)},
      {"linear_and_reshape", GraphBuilder({2, 6})
                                 .dense(4)
                                 .activation(Activation::kLinear)
                                 .reshape({4, 2})
                                 .dense(3)
                                 .build(kMse)},
  };
}

// Every function behind a layer that may compute it itself, and behind one that does not.
std::vector<Case> activations() {
  std::vector<std::pair<std::string, Activation>> functions = {
      {"leaky_relu", Activation::rectifier(0.3f)},
      {"relu6", Activation::rectifier(0, 0, 0.6f)},
      {"relu_between", Activation::rectifier(0.25f, 0.1f, 0.5f)},
      {"relu_descending", Activation::rectifier(-0.5f)},
      {"log_softmax", Activation::kLogSoftmax},
  };
#define SLUICE_FUNCTION(kind) functions.push_back({#kind, Activation::kind});
  SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(SLUICE_FUNCTION)
#undef SLUICE_FUNCTION
  std::vector<Case> cases;
  for (const auto& [name, f] : functions) {
    if (f == Activation::kRectifier) continue;  // not without its parameters
    cases.push_back(
        {"dense_" + name, GraphBuilder({5}).dense(6).activation(f).dense(2).build(kMse)});
    cases.push_back(
        {"pool_" + name,
         finish(images(3, 4, 4).pool({.kind = Pool2DOp::Kind::kAverage}).activation(f))});
  }
  for (const auto& [name, f] : {std::pair{"silu", Activation(Activation::kSilu)},
                                {"softplus", Activation(Activation::kSoftplus)},
                                {"relu6", Activation::rectifier(0, 0, 0.6f)},
                                {"leaky_relu", Activation::rectifier(0.3f)}}) {
    GraphBuilder builder = images(16, 5, 5);
    builder.conv({.filters = 16}).activation(f);
    cases.push_back({std::string("conv_in_blocks_") + name, finish(builder.conv({.filters = 16}))});
    cases.push_back({std::string("max_pool_") + name, finish(images(16).activation(f).max_pool())});
  }
  return cases;
}

std::vector<Case> losses() {
  const auto chain = [](Activation activation, LossSpec loss) {
    return GraphBuilder({6}).dense(5).activation(activation).build(loss);
  };
  std::vector<Case> cases;
  for (const auto& [name, loss] :
       {std::pair{"mse", kMse}, {"categorical", kCategorical}, {"sparse", kSparse}}) {
    cases.push_back({std::string(name) + "_on_softmax", chain(Activation::kSoftmax, loss)});
    cases.push_back({std::string(name) + "_on_sigmoid", chain(Activation::kSigmoid, loss)});
    cases.push_back(
        {std::string(name) + "_on_inner_softmax",
         GraphBuilder({6}).dense(5).activation(Activation::kSoftmax).reshape({5}).build(loss)});
  }
  cases.push_back({"mse_rank_3", GraphBuilder({2, 2, 3}).dense(2).build(kMse)});
  for (const char* loss :
       {"bce", "binary_focal_crossentropy", "kl_divergence", "poisson", "msle"}) {
    cases.push_back({std::string(loss) + "_on_sigmoid", chain(Activation::kSigmoid, loss)});
    cases.push_back({std::string(loss) + "_of_one",
                     GraphBuilder({6}).dense(1).activation(Activation::kSigmoid).build(loss)});
    cases.push_back(
        {std::string(loss) + "_on_inner_sigmoid",
         GraphBuilder({6}).dense(5).activation(Activation::kSigmoid).reshape({5}).build(loss)});
  }
  for (const char* loss : {"categorical_focal_crossentropy", "kl_divergence"}) {
    cases.push_back({std::string(loss) + "_on_softmax", chain(Activation::kSoftmax, loss)});
  }
  for (const char* loss : {"categorical_generalized_cross_entropy", "dice", "dice(axis=[0])",
                           "tversky(alpha=0.3, beta=0.9)", "tversky(alpha=0.3, axis=[1])"}) {
    cases.push_back(
        {"behind_softmax_" + std::to_string(cases.size()), chain(Activation::kSoftmax, loss)});
  }
  cases.push_back({"dice_of_positions",
                   GraphBuilder({2, 2, 3}).dense(2).build(LossSpec(Dice{.axis = {1, 2}}))});
  for (const char* loss : {"hinge", "squared_hinge", "categorical_hinge", "mae", "mape", "huber",
                           "log_cosh", "cosine_similarity"}) {
    cases.push_back({loss, chain(Activation::kLinear, loss)});
  }
  cases.push_back({"categorical_from_logits",
                   chain(Activation::kLinear, CategoricalCrossentropy{.from_logits = true})});
  cases.push_back(
      {"binary_from_logits", chain(Activation::kLinear, BinaryCrossentropy{.from_logits = true})});
  cases.push_back(
      {"smoothed", chain(Activation::kSoftmax, CategoricalCrossentropy{.label_smoothing = 0.2f})});
  cases.push_back({"class_ignored",
                   chain(Activation::kSoftmax, SparseCategoricalCrossentropy{.ignore_class = 2})});
  return cases;
}

// A convolution's output goes both through more convolutions and around them.
Graph residual(int64_t channels, int64_t size) {
  const ConvSpec same{.filters = channels, .padding = kAround};
  GraphBuilder builder({size, size, 3});
  builder.conv(same).activation(Activation::kRelu);
  const ValueId shortcut = builder.here();
  builder.conv(same).activation(Activation::kRelu).conv(same);
  builder.merge({}, {shortcut}).activation(Activation::kRelu);
  return finish(builder.max_pool());
}

std::vector<Case> branches() {
  std::vector<Case> cases = {{"residual", residual(3, 4)}, {"residual_in_blocks", residual(16, 4)}};
  {
    GraphBuilder builder({4});
    builder.dense(3);
    const ValueId fork = builder.here();
    builder.activation(Activation::kTanh);
    const ValueId one = builder.here();
    builder.from(fork).dense(3).activation(Activation::kSigmoid);
    cases.push_back({"three_readers", builder.merge({}, {one, fork}).build(kMse)});
    const ValueId sum = builder.here();
    cases.push_back({"twice_the_same", builder.merge({}, {sum, sum}).dense(2).build(kMse)});
  }
  {
    GraphBuilder builder = rectified(16, 8, 8);
    const ValueId fork = builder.here();
    builder.max_pool();
    const ValueId maximum = builder.here();
    builder.from(fork).pool({.kind = Pool2DOp::Kind::kAverage}).merge({}, {maximum});
    cases.push_back({"two_poolings_of_a_relu", finish(builder)});
  }
  {
    GraphBuilder builder({2, 3});
    builder.dense(3);
    const ValueId fork = builder.here();
    builder.flatten().dense(6).reshape({2, 3}).merge({}, {fork});
    cases.push_back({"under_two_shapes", builder.build(kMse)});
  }
  for (const auto& [name, kind] : {std::pair{"subtract", MergeOp::Kind::kSubtract},
                                   {"multiply", MergeOp::Kind::kMultiply},
                                   {"average", MergeOp::Kind::kAverage},
                                   {"maximum", MergeOp::Kind::kMaximum},
                                   {"minimum", MergeOp::Kind::kMinimum}}) {
    GraphBuilder builder({5});
    const ValueId input = builder.here();
    builder.dense(4).activation(Activation::kTanh);
    std::vector<ValueId> others{builder.here()};
    builder.from(input).dense(4);
    if (kind != MergeOp::Kind::kSubtract) {
      others.push_back(builder.here());
      builder.from(input).dense(4).activation(Activation::kSigmoid);
    }
    cases.push_back({name, builder.merge({kind}, others).dense(3).build(kMse)});
  }
  for (const auto& [name, kind, activation] :
       {std::tuple{"add_relu", MergeOp::Kind::kAdd, Activation::kRelu},
        {"subtract_tanh", MergeOp::Kind::kSubtract, Activation::kTanh},
        {"multiply_sigmoid", MergeOp::Kind::kMultiply, Activation::kSigmoid},
        {"average_elu", MergeOp::Kind::kAverage, Activation::kElu},
        {"maximum_tanh", MergeOp::Kind::kMaximum, Activation::kTanh}}) {
    GraphBuilder builder({5});
    const ValueId one = builder.dense(4).here();
    builder.activation(Activation::kTanh).merge({kind}, {one}).activation(activation);
    cases.push_back({name, builder.dense(3).build(kMse)});
  }
  {
    // Blocks that add what they take to what they make of it, some after a projection.
    GraphBuilder builder({5, 5, 2});
    const ConvSpec same{.filters = 3, .padding = {1, 1, 1, 1}};
    builder.conv(same).activation(Activation::kTanh);
    for (const bool projects : {false, true, false}) {
      ValueId shortcut = builder.here();
      builder.conv(same).activation(Activation::kTanh).conv(same);
      const ValueId made = builder.here();
      if (projects) {
        shortcut = builder.from(shortcut).conv({.filters = 3, .kernel_h = 1, .kernel_w = 1}).here();
      }
      builder.from(made).merge({}, {shortcut}).activation(Activation::kSigmoid);
    }
    cases.push_back({"residual_blocks", builder.flatten().dense(2).build(kMse)});
  }
  {
    // Sums of sums, whose gradients lie in the same memory; others add to them afterwards.
    GraphBuilder builder({4});
    const ValueId input = builder.here();
    const ValueId a = builder.dense(4).activation(Activation::kTanh).here();
    const ValueId b = builder.from(input).dense(4).activation(Activation::kSigmoid).here();
    const ValueId sum = builder.merge({}, {a}).here();
    builder.from(a).merge({}, {sum, b});
    const ValueId more = builder.merge({}, {sum, sum}).here();
    builder.from(b).activation(Activation::kTanh).merge({}, {more, a});
    cases.push_back({"sums_of_sums", builder.dense(2).build(kMse)});
  }
  {
    GraphBuilder builder({2, 3});
    const ValueId first = builder.dense(3).here();
    builder.then(RearrangeOp{{{.from = 1, .repeat = 2, .before = 1}, {.from = 0, .before = -1}}},
                 {7, 2});
    const ValueId moved = builder.here();
    builder.from(first).then(InterpolateOp{.axis = 0, .factor = 3}, {6, 3}).dense(2);
    cases.push_back({"moved", builder.concatenate(0, {moved, moved}).dense(2).build(kMse)});
  }
  for (const auto& [name, kind] : {std::pair{"cubic", InterpolateOp::Kind::kCubic},
                                   {"lanczos3", InterpolateOp::Kind::kLanczos3},
                                   {"lanczos5", InterpolateOp::Kind::kLanczos5}}) {
    GraphBuilder builder({4, 3});
    builder.dense(3).then(InterpolateOp{.axis = 0, .factor = 3, .kind = kind}, {12, 3});
    cases.push_back({name, builder.activation(Activation::kTanh).dense(2).build(kMse)});
  }
  {
    using Kind = NormalizeOp::Kind;
    using Axis = NormalizeOp::Axis;
    constexpr Axis kBoth{.size = 3, .normalized = true, .weighted = true};
    constexpr Axis kNormalized{.size = 4, .normalized = true};
    constexpr Axis kWeighted{.size = 2, .weighted = true};
    constexpr Axis kNeither{.size = 2};
    const auto add = [&](const char* name, Kind kind, std::vector<Axis> view, float epsilon) {
      GraphBuilder builder({4, 3, 4});
      builder.dense(4).activation(Activation::kTanh);
      builder.normalize({.kind = kind, .epsilon = epsilon, .view = std::move(view)});
      cases.push_back({name, builder.dense(2).build(kMse)});
    };
    const Axis twelve{.size = 12, .normalized = true, .weighted = true};
    add("normalized_apart", Kind::kStandard, {kNeither, kWeighted, kBoth, kNormalized}, 1e-2f);
    add("normalized_groups", Kind::kStandard, {kNormalized, kBoth, kWeighted, kNeither}, 1e-2f);
    add("normalized_all", Kind::kStandard, {kNormalized, twelve}, 1e-2f);
    add("rms", Kind::kRms, {kNeither, kNeither, kBoth, kNormalized}, 1e-2f);
    add("rms_in_front", Kind::kRms, {kNormalized, kBoth, kNeither, kNeither}, 1e-2f);
    add("unit", Kind::kUnit, {kNeither, kNeither, kBoth, kNormalized}, 1e-3f);
    add("unit_without_weights", Kind::kUnit, {kNormalized, {.size = 12}}, 1e-3f);
    add("weights_alone", Kind::kNone, {kNeither, kWeighted, kBoth, kNormalized}, 1e-2f);
    add("unit_at_its_bound", Kind::kUnit, {kNormalized, {.size = 12}}, 100.0f);
  }
  cases.push_back({"shared_dense", GraphBuilder({4})
                                       .dense(4)
                                       .activation(Activation::kTanh)
                                       .share(0)
                                       .dense(4)
                                       .share(0)
                                       .dense(4)
                                       .build(kMse)});
  cases.push_back({"shared_conv", finish(GraphBuilder({5, 5, 3})
                                             .conv({.filters = 3, .padding = kAround})
                                             .activation(Activation::kTanh)
                                             .share(0)
                                             .conv({.filters = 3, .padding = kAround}))});
  {
    GraphBuilder builder({4});
    builder.dense(3).activation(Activation::kSoftmax);
    const ValueId probabilities = builder.here();
    builder.dense(3);
    Graph graph = builder.merge({}, {probabilities}).build(kSparse);
    graph.outputs.front().value = probabilities;  // the rest is left out
    cases.push_back({"output_inside", graph});
  }
  return cases;
}

// Several inputs and outputs, which a row of a batch holds one after another.
std::vector<Case> several_outputs() {
  std::vector<Case> cases;
  {
    GraphBuilder builder({4, 4, 2});
    builder.conv({.filters = 3}).activation(Activation::kRelu).flatten().dense(4);
    const ValueId image = builder.here();
    builder.input({5}).dense(4).activation(Activation::kTanh);
    const ValueId sum = builder.merge({}, {image}).here();
    builder.dense(3).activation(Activation::kSoftmax);
    const ValueId classes = builder.here();
    builder.from(sum).dense(2);
    cases.push_back({"two_inputs_and_outputs",
                     builder.build({{classes, kSparse, 0.3f}, {builder.here(), kMse, 2}})});
  }
  {
    GraphBuilder builder({4});
    const ValueId inside = builder.dense(3).here();
    builder.activation(Activation::kTanh).dense(2);
    cases.push_back({"an_output_that_is_read_on",
                     builder.build({{inside, kMse, 0.5f}, {builder.here(), kMse}})});
  }
  {
    // Its logits have gradients from the loss and from the softmax, which is computed for others.
    GraphBuilder builder({4});
    const ValueId classes = builder.dense(3).activation(Activation::kSoftmax).here();
    builder.dense(2);
    cases.push_back({"a_softmax_that_is_read_on",
                     builder.build({{classes, kCategorical}, {builder.here(), kMse}})});
  }
  {
    GraphBuilder builder({2, 3});
    const ValueId value = builder.dense(4).here();
    cases.push_back({"one_value_twice",
                     builder.build({{value, kMse, 0.25f}, {value, kMse}, {value, kMse, 2}})});
  }
  {
    GraphBuilder builder({3});
    const ValueId classes = builder.dense(4).activation(Activation::kSoftmax).here();
    cases.push_back(
        {"a_softmax_with_two_losses", builder.build({{classes, kSparse}, {classes, kMse}})});
  }
  return cases;
}

// Penalties of what the next op reads, what several read, what a loss reads and what it takes
// along.
std::vector<Case> penalties() {
  using enum Activation::Kind;
  std::vector<Case> cases = {
      {"of_a_dense",
       GraphBuilder({5}).dense(4).activation(kTanh).penalize(0.1f, 0.2f).dense(3).build(kMse)},
      {"in_front_of_an_activation",
       GraphBuilder({5}).dense(4).penalize(0, 0.2f).activation(kTanh).dense(3).build(kMse)},
      {"of_a_blocked_convolution",
       finish(
           images(16).conv({.filters = 16}).activation(kRelu).penalize(0.01f, 0.02f).max_pool())},
      {"of_an_output", GraphBuilder({5}).dense(4).penalize(0.1f, 0.2f).build(kMse)},
      {"of_a_softmax_and_its_logits",
       GraphBuilder({5}).dense(4).penalize(0, 0.05f).activation(kSoftmax).penalize(0, 0.3f).build(
           kCategorical)},
      {"of_an_input", GraphBuilder({5}).penalize(1, 1).dense(4).build(kMse)},
  };
  GraphBuilder builder({4});
  const ValueId fork = builder.dense(3).penalize(0.1f, 0).penalize(0, 0.1f).here();
  const ValueId one = builder.activation(kTanh).here();
  builder.from(fork).dense(3).merge({}, {one, fork}).penalize(0, 0.1f);
  cases.push_back({"of_what_several_read", builder.build(kMse)});
  return cases;
}

class GradientTest : public ::testing::TestWithParam<Case> {};

TEST_P(GradientTest, EqualsCentralDifferencesOfTheLoss) {
  for (int64_t batch : {1, 3, 16}) expect_gradients(GetParam().graph, batch);
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Conv2D, GradientTest, ::testing::ValuesIn(convolutions()), name_of);
INSTANTIATE_TEST_SUITE_P(Pool2D, GradientTest, ::testing::ValuesIn(poolings()), name_of);
INSTANTIATE_TEST_SUITE_P(Dense, GradientTest, ::testing::ValuesIn(dense_and_activations()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Activations, GradientTest, ::testing::ValuesIn(activations()), name_of);
INSTANTIATE_TEST_SUITE_P(Branches, GradientTest, ::testing::ValuesIn(branches()), name_of);
INSTANTIATE_TEST_SUITE_P(Outputs, GradientTest, ::testing::ValuesIn(several_outputs()), name_of);
INSTANTIATE_TEST_SUITE_P(Penalties, GradientTest, ::testing::ValuesIn(penalties()), name_of);
INSTANTIATE_TEST_SUITE_P(Loss, GradientTest, ::testing::ValuesIn(losses()), name_of);

// A batch of one has no two samples to compare.
TEST(CircleGradientTest, EqualsCentralDifferencesOfTheLossInBatchesWithPairs) {
  for (const bool remove : {true, false}) {
    expect_gradients(GraphBuilder({6})
                         .dense(5)
                         .activation(Activation::kTanh)
                         .build(LossSpec(Circle{.gamma = 1, .remove_diagonal = remove})),
                     16);
  }
}

}  // namespace
}  // namespace sluice::backend::testing
