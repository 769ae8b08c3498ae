// Every layer and loss on random shapes, inputs and options, in every precision.
//
// Where numbers are rounded, a ReLU near zero or a maximum among equals may decide otherwise than
// in float32, and the gradient then goes elsewhere altogether. So in tf32 and bfloat16 the random
// models are smooth (tanh for ReLU, mean for maximum), and ReLU and maxima are tested on numbers
// that need no rounding before them.
#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <limits>
#include <ostream>

#include "tests/cuda/parity/comparison.h"
#include "tests/cuda/parity/models.h"

namespace sluice::backend::testing {
namespace {

using core::Rng;
using enum Activation::Kind;

constexpr LossSpec kMse = MeanSquaredError{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};
constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};

int64_t between(Rng& rng, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng.below(static_cast<uint64_t>(high - low + 1)));
}

bool coin(Rng& rng) { return rng.below(2) == 1; }

Activation any_activation(Rng& rng) {
  constexpr Activation::Kind kAll[] = {kLinear, kRelu, kSigmoid, kTanh};
  return kAll[rng.below(4)];
}

// None, Keras' "same" for odd windows, or different on every side.
Padding2D any_padding(Rng& rng, int64_t h, int64_t w) {
  switch (rng.below(3)) {
    case 0:
      return {};
    case 1:
      return {(h - 1) / 2, (h - 1) / 2, (w - 1) / 2, (w - 1) / 2};
    default:
      return {between(rng, 0, h - 1), between(rng, 0, h - 1), between(rng, 0, w - 1),
              between(rng, 0, w - 1)};
  }
}

ConvSpec any_convolution(Rng& rng) {
  ConvSpec spec{.filters = between(rng, 1, 40),
                .kernel_h = between(rng, 1, 4),
                .kernel_w = between(rng, 1, 4),
                .stride_h = between(rng, 1, 3),
                .stride_w = between(rng, 1, 3),
                .bias = coin(rng)};
  spec.padding = any_padding(rng, spec.kernel_h, spec.kernel_w);
  return spec;
}

// An image that a gradient is needed for: what a convolution gives.
GraphBuilder images(Rng& rng) {
  GraphBuilder builder({between(rng, 5, 12), between(rng, 5, 12), between(rng, 1, 4)});
  builder.conv({.filters = between(rng, 1, 36), .kernel_h = 1, .kernel_w = 1});
  return builder;
}

Graph finish(GraphBuilder& builder, Rng& rng) {
  return builder.flatten().dense(between(rng, 2, 12)).build(kMse);
}

Graph convolution(Rng& rng) {
  GraphBuilder builder = images(rng);
  builder.conv(any_convolution(rng)).activation(any_activation(rng));
  return finish(builder, rng);
}

Graph first_convolution(Rng& rng) {
  GraphBuilder builder({between(rng, 5, 14), between(rng, 5, 14), between(rng, 1, 3)});
  builder.conv(any_convolution(rng)).activation(any_activation(rng));
  return finish(builder, rng);
}

// Groups of any size, or of one channel with one filter or more.
Graph grouped_convolution(Rng& rng) {
  GraphBuilder builder = images(rng);
  const int64_t groups = between(rng, 1, 8), most = coin(rng) ? 1 : 6;
  builder.conv({.filters = groups * between(rng, 1, most)});
  ConvSpec spec = any_convolution(rng);
  spec.filters = groups * between(rng, 1, 4);
  spec.groups = groups;
  builder.conv(spec).activation(any_activation(rng));
  return finish(builder, rng);
}

Graph dilated_convolution(Rng& rng) {
  GraphBuilder builder({between(rng, 10, 14), between(rng, 10, 14), between(rng, 1, 4)});
  builder.conv({.filters = between(rng, 1, 36), .kernel_h = 1, .kernel_w = 1});
  ConvSpec spec = any_convolution(rng);
  spec.stride_h = spec.stride_w = 1;
  spec.dilation_h = between(rng, 1, 3);
  spec.dilation_w = between(rng, 1, 3);
  spec.padding = any_padding(rng, (spec.kernel_h - 1) * spec.dilation_h + 1,
                             (spec.kernel_w - 1) * spec.dilation_w + 1);
  builder.conv(spec).activation(any_activation(rng));
  return finish(builder, rng);
}

Graph transposed_convolution(Rng& rng) {
  GraphBuilder builder = images(rng);
  ConvSpec spec = any_convolution(rng);
  spec.transposed = true;
  spec.more_h = between(rng, 0, spec.stride_h - 1);
  spec.more_w = between(rng, 0, spec.stride_w - 1);
  if (spec.stride_h + spec.stride_w == 2) spec.dilation_h = between(rng, 1, 2);
  builder.conv(spec).activation(any_activation(rng));
  return finish(builder, rng);
}

Graph pooling(Rng& rng, Pool2DOp::Kind kind) {
  Pool2DOp op{.kind = kind,
              .pool_h = between(rng, 1, 4),
              .pool_w = between(rng, 1, 4),
              .stride_h = between(rng, 1, 4),
              .stride_w = between(rng, 1, 4)};
  op.padding = any_padding(rng, op.pool_h, op.pool_w);
  GraphBuilder builder = images(rng);
  builder.activation(any_activation(rng)).pool(op);
  return finish(builder, rng);
}

Graph dense(Rng& rng) {
  GraphBuilder builder({between(rng, 1, 70)});
  builder.dense(between(rng, 1, 150), coin(rng)).activation(any_activation(rng));
  builder.dense(between(rng, 1, 40), coin(rng)).activation(kRelu);
  return builder.dense(between(rng, 1, 12), coin(rng)).build(kMse);
}

Graph dense_over_rows(Rng& rng) {
  GraphBuilder builder({between(rng, 1, 4), between(rng, 1, 5), between(rng, 1, 20)});
  builder.dense(between(rng, 1, 30)).activation(kRelu);
  if (coin(rng)) builder.flatten();  // the next layer's rows are others then
  return builder.dense(between(rng, 1, 12)).activation(any_activation(rng)).build(kMse);
}

Graph activations(Rng& rng) {
  GraphBuilder builder({between(rng, 1, 40)});
  builder.dense(between(rng, 2, 50)).activation(kTanh);
  builder.activation(any_activation(rng)).activation(any_activation(rng));
  return builder.dense(between(rng, 1, 9)).build(kMse);
}

// One of those without kinks, behind what may compute it itself, and behind what does not.
Graph elementwise(Rng& rng) {
  constexpr Activation::Kind kSmooth[] = {kGelu,       kGeluTanh,   kSilu,       kMish,
                                          kCelu,       kLogSigmoid, kSoftplus,   kSquareplus,
                                          kSparsePlus, kSoftsign,   kTanhShrink, kExponential};
  const auto any = [&] { return kSmooth[rng.below(std::size(kSmooth))]; };
  GraphBuilder builder({between(rng, 1, 40)});
  builder.dense(between(rng, 2, 50)).activation(any()).activation(kTanh).activation(any());
  return builder.dense(between(rng, 1, 9)).build(kMse);
}

Graph inner_softmax(Rng& rng) {
  GraphBuilder builder({between(rng, 1, 4), between(rng, 1, 30)});
  builder.dense(between(rng, 1, 80)).activation(coin(rng) ? kSoftmax : kLogSoftmax);
  return builder.dense(between(rng, 1, 9)).build(kMse);
}

Graph dropout(Rng& rng) {
  GraphBuilder builder({between(rng, 4, 60)});
  builder.dense(between(rng, 20, 90)).dropout(rng.uniform(0.1f, 0.8f), rng.next());
  builder.dense(between(rng, 20, 60)).activation(kRelu).dropout(rng.uniform(0.1f, 0.5f), 7);
  return builder.dense(between(rng, 1, 9)).build(kMse);
}

// The masks are the CPU's; normal numbers but for rounding.
Graph noise(Rng& rng, NoiseOp::Kind kind) {
  const Shape shape{between(rng, 1, 6), between(rng, 1, 9)};
  NoiseOp op{.kind = kind, .strength = rng.uniform(0.1f, 0.8f), .seed = rng.next()};
  const bool is_dropout = kind == NoiseOp::Kind::kDropout || kind == NoiseOp::Kind::kAlphaDropout;
  if (is_dropout) op.shared = {coin(rng), coin(rng), coin(rng)};
  GraphBuilder builder({shape[0], between(rng, 1, 9)});
  builder.dense(shape[1]).activation(kTanh).then(op, shape);
  return finish(builder, rng);
}

Graph affine(Rng& rng) {
  const Shape shape{between(rng, 1, 6), between(rng, 1, 9)};
  AffineOp op;
  const int64_t counts[] = {1, shape[1], shape.size()};
  for (int64_t i = counts[rng.below(3)]; i > 0; --i) {
    op.center.push_back(rng.uniform(-2, 2));
    op.scale.push_back(rng.uniform(-2, 2));
    op.offset.push_back(rng.uniform(-2, 2));
  }
  GraphBuilder builder(shape);
  builder.then(op, shape).dense(shape[1]).activation(kTanh).then(op, shape);
  return finish(builder, rng);
}

// Of numbers from 0 to `rows`, which are one too many, and come from x of -1 to 1.
Graph embedding(Rng& rng) {
  const int64_t rows = between(rng, 1, 12);
  const float half = static_cast<float>(rows) / 2;
  const Shape shape{between(rng, 1, 20)};
  GraphBuilder builder(shape);
  builder.then(AffineOp{{0.0f}, {half}, {half}}, shape);
  builder.embedding(rows, between(rng, 1, 40)).dense(3).activation(kTanh);
  return finish(builder, rng);
}

Graph reshapes(Rng& rng) {
  const int64_t a = between(rng, 1, 6), b = between(rng, 1, 6);
  return GraphBuilder({a, 2 * b})
      .reshape({2 * a, b})
      .dense(4)
      .activation(kLinear)
      .reshape({a * 8})
      .dense(between(rng, 1, 9))
      .build(kMse);
}

// Axes in any order, padded, cut and with elements repeated.
Graph rearrangement(Rng& rng) {
  std::vector<int64_t> sizes;
  std::vector<uint32_t> order;
  for (int64_t rank = between(rng, 1, 4); rank > 0; --rank) {
    sizes.push_back(between(rng, 1, 6));
    order.push_back(static_cast<uint32_t>(order.size()));
  }
  rng.shuffle(order);
  RearrangeOp op;
  std::vector<int64_t> output;
  for (const uint32_t from : order) {
    const int64_t repeat = coin(rng) ? 1 : between(rng, 1, 3);
    op.axes.push_back(
        {.from = static_cast<int>(from), .repeat = repeat, .before = between(rng, -2, 2)});
    output.push_back(std::max<int64_t>(1, (sizes[from] + between(rng, -2, 3)) * repeat));
  }
  GraphBuilder builder{Shape(sizes)};
  builder.dense(sizes.back()).activation(kTanh).then(std::move(op), Shape(output));
  return finish(builder, rng);
}

Graph concatenation(Rng& rng) {
  const int axis = static_cast<int>(between(rng, 0, 2));
  GraphBuilder builder({between(rng, 1, 4), between(rng, 1, 4), between(rng, 1, 9)});
  const ValueId input = builder.here();
  const ValueId first = builder.dense(5).here();
  builder.from(input).dense(axis == 2 ? between(rng, 1, 20) : 5).activation(kTanh);
  builder.concatenate(axis, {first, builder.here(), first});
  return finish(builder, rng);
}

Graph interpolation(Rng& rng) {
  const int axis = static_cast<int>(between(rng, 0, 2));
  std::vector<int64_t> sizes{between(rng, 1, 5), between(rng, 1, 5), between(rng, 1, 5)};
  GraphBuilder builder{Shape(sizes)};
  builder.dense(sizes[2]).activation(kTanh);
  const int64_t factor = between(rng, 1, 5);
  sizes[static_cast<size_t>(axis)] *= factor;
  const auto kind = static_cast<InterpolateOp::Kind>(between(rng, 0, 3));
  builder.then(InterpolateOp{axis, factor, kind}, Shape(sizes));
  return finish(builder, rng);
}

Graph normalization(Rng& rng) {
  NormalizeOp op;
  op.kind = static_cast<NormalizeOp::Kind>(between(rng, 0, 3));
  op.epsilon = 1e-2;
  std::vector<int64_t> sizes;
  const auto add = [&](int64_t size, bool normalized) {
    sizes.push_back(size);
    op.view.push_back({.size = size, .normalized = normalized, .weighted = coin(rng)});
  };
  const bool has_blocks = between(rng, 0, 3) == 0;  // for groups too large for warps
  if (has_blocks) add(between(rng, 600, 700), true);
  for (int64_t rank = between(rng, 1, has_blocks ? 2 : 4); rank > 0; --rank) {
    add(between(rng, 1, 6), coin(rng));
  }
  GraphBuilder builder{Shape(sizes)};
  builder.dense(sizes.back()).activation(kTanh).normalize(std::move(op));
  return finish(builder, rng);
}

// Enough numbers for several blocks, of which a loss reads some too.
Graph penalties(Rng& rng) {
  GraphBuilder builder({between(rng, 20, 40), between(rng, 1, 9)});
  builder.dense(between(rng, 20, 80)).penalize(rng.uniform(0, 0.01f), 0.01f).activation(kTanh);
  builder.penalize(0.02f, rng.uniform(0, 0.01f)).dense(between(rng, 1, 9)).penalize(0, 0.1f);
  return builder.build(kMse);
}

Graph mnist_like(Rng& rng) {
  const int64_t side = between(rng, 10, 16);
  GraphBuilder builder({side, side, between(rng, 1, 3)});
  builder.conv({.filters = 16}).activation(kRelu);
  builder.conv({.filters = between(rng, 8, 32)}).activation(kRelu);
  builder.max_pool().dropout(0.25f, 3).flatten();
  builder.dense(between(rng, 20, 60)).activation(kRelu);
  return builder.dense(10).activation(kSoftmax).build(kSparse);
}

// A convolution's output goes through two more, with one kernel, and around them.
Graph residual(Rng& rng) {
  const int64_t side = between(rng, 5, 9);
  const ConvSpec same{.filters = between(rng, 1, 24), .padding = {1, 1, 1, 1}};
  GraphBuilder builder({side, side, between(rng, 1, 3)});
  builder.conv(same).activation(kRelu);
  const ValueId shortcut = builder.here();
  builder.conv(same).activation(any_activation(rng));  // op2
  builder.share(2).conv(same).merge({}, {shortcut, shortcut});
  const ValueId sum = builder.here();
  builder.pool({.kind = Pool2DOp::Kind::kAverage});
  const ValueId mean = builder.here();
  builder.from(sum).max_pool().merge({}, {mean});
  return finish(builder, rng);
}

// A block of ResNet without normalization, which may project its input.
Graph residual_block(Rng& rng) {
  const int64_t side = between(rng, 5, 9), channels = between(rng, 1, 20);
  const ConvSpec same{.filters = channels, .padding = {1, 1, 1, 1}};
  const ConvSpec project{.filters = channels, .kernel_h = 1, .kernel_w = 1};
  GraphBuilder builder({side, side, between(rng, 1, 3)});
  ValueId shortcut = builder.conv(same).activation(kRelu).here();
  const ValueId made = builder.conv(same).activation(any_activation(rng)).conv(same).here();
  if (coin(rng)) shortcut = builder.from(shortcut).conv(project).here();
  builder.from(made).merge({}, {shortcut}).activation(kRelu);
  return finish(builder, rng);
}

Graph merge(Rng& rng, MergeOp::Kind kind) {
  GraphBuilder builder({between(rng, 1, 20)});
  const ValueId input = builder.here();
  const int64_t units = between(rng, 1, 40);
  builder.dense(units).activation(kTanh);
  std::vector<ValueId> others{builder.here()};
  if (kind != MergeOp::Kind::kSubtract) {
    others.push_back(builder.from(input).dense(units).here());
    others.push_back(others.front());  // the same once more
  }
  builder.from(input).dense(units).activation(kSigmoid).merge({kind}, others);
  builder.activation(any_activation(rng));
  return builder.dense(between(rng, 1, 9)).build(kMse);
}

// What is trained has frozen layers in front of it and behind.
Graph partly_frozen(Rng& rng) {
  GraphBuilder builder({between(rng, 6, 9), between(rng, 6, 9), between(rng, 1, 3)});
  builder.conv(any_convolution(rng)).activation(kTanh).freeze();
  const ConvSpec spec{.filters = between(rng, 1, 20), .kernel_h = 1, .kernel_w = 1};
  builder.conv(spec).conv(spec).flatten().dense(between(rng, 2, 9)).dense(4);
  Graph graph = builder.build(kMse);
  for (const size_t op : {3, 5}) {  // the second of each
    std::visit(
        [](auto& kind) {
          if constexpr (requires { kind.kernel.role; }) {
            kind.kernel.role = kind.bias->role = ParameterRole::kFrozen;
          }
        },
        graph.ops[op].kind);
  }
  return graph;
}

Graph loss_behind(Rng& rng, Activation activation, LossSpec loss) {
  GraphBuilder builder({between(rng, 2, 40)});
  return builder.dense(between(rng, 2, 75)).activation(activation).build(loss);
}

Graph binary_loss(Rng& rng) {
  GraphBuilder builder({between(rng, 2, 40)});
  return builder.dense(1).activation(coin(rng) ? kSigmoid : kSoftmax).build(kSparse);
}

struct Case {
  const char* name;
  std::function<Graph(Rng&)> make;
  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }
};

// Outputs of rank 2: rows of classes that the loss and the accuracy are averaged over.
std::function<Graph(Rng&)> loss_of_positions(Activation activation, LossSpec loss) {
  return [=](Rng& rng) {
    return GraphBuilder({between(rng, 1, 5), between(rng, 1, 9)})
        .dense(between(rng, 2, 40))
        .activation(activation)
        .build(loss);
  };
}

std::vector<Case> cases() {
  const auto of_loss = [](Activation activation, LossSpec loss) {
    return [=](Rng& rng) { return loss_behind(rng, activation, loss); };
  };
  return {
      {"Convolution", convolution},
      {"FirstConvolution", first_convolution},
      {"GroupedConvolution", grouped_convolution},
      {"DilatedConvolution", dilated_convolution},
      {"TransposedConvolution", transposed_convolution},
      {"MaxPooling", [](Rng& rng) { return pooling(rng, Pool2DOp::Kind::kMax); }},
      {"AveragePooling", [](Rng& rng) { return pooling(rng, Pool2DOp::Kind::kAverage); }},
      {"Dense", dense},
      {"DenseOverRows", dense_over_rows},
      {"Activations", activations},
      {"Elementwise", elementwise},
      {"InnerSoftmax", inner_softmax},
      {"Dropout", dropout},
      {"Reshape", reshapes},
      {"DropoutOfAxes", [](Rng& rng) { return noise(rng, NoiseOp::Kind::kDropout); }},
      {"AlphaDropout", [](Rng& rng) { return noise(rng, NoiseOp::Kind::kAlphaDropout); }},
      {"GaussianDropout", [](Rng& rng) { return noise(rng, NoiseOp::Kind::kGaussianDropout); }},
      {"GaussianNoise", [](Rng& rng) { return noise(rng, NoiseOp::Kind::kGaussianNoise); }},
      {"Affine", affine},
      {"Embedding", embedding},
      {"Rearrangement", rearrangement},
      {"Concatenation", concatenation},
      {"Interpolation", interpolation},
      {"Normalization", normalization},
      {"ActivityPenalties", penalties},
      {"MnistLike", mnist_like},
      {"Residual", residual},
      {"ResidualBlock", residual_block},
      {"PartlyFrozen", partly_frozen},
      {"Subtract", [](Rng& rng) { return merge(rng, MergeOp::Kind::kSubtract); }},
      {"Multiply", [](Rng& rng) { return merge(rng, MergeOp::Kind::kMultiply); }},
      {"Average", [](Rng& rng) { return merge(rng, MergeOp::Kind::kAverage); }},
      {"Maximum", [](Rng& rng) { return merge(rng, MergeOp::Kind::kMaximum); }},
      {"Minimum", [](Rng& rng) { return merge(rng, MergeOp::Kind::kMinimum); }},
      {"SquaredErrorOfSoftmax", of_loss(kSoftmax, kMse)},
      {"SquaredErrorOfLinear", of_loss(kLinear, kMse)},
      {"CrossentropyOfLogits", of_loss(kSoftmax, kCategorical)},
      {"SparseCrossentropyOfLogits", of_loss(kSoftmax, kSparse)},
      {"CrossentropyOfProbabilities", of_loss(kSigmoid, kCategorical)},
      {"SparseCrossentropyOfProbabilities", of_loss(kSigmoid, kSparse)},
      {"BinaryTarget", binary_loss},
      {"CrossentropyOfPositions", loss_of_positions(kSoftmax, kCategorical)},
      {"SparseCrossentropyOfPositions", loss_of_positions(kSoftmax, kSparse)},
      {"SquaredErrorOfPositions", loss_of_positions(kSigmoid, kMse)},
  };
}

struct NamedPrecision {
  const char* name;
  Precision precision;
  friend std::ostream& operator<<(std::ostream& out, const NamedPrecision& p) {
    return out << p.name;
  }
};

constexpr NamedPrecision kPrecisions[] = {{"Float32", Precision::kFloat32},
                                          {"Tf32", Precision::kTf32},
                                          {"Bfloat16", Precision::kMixedBfloat16}};

Graph smooth(Graph graph) {
  for (Op& op : graph.ops) {
    if (auto* pool = std::get_if<Pool2DOp>(&op.kind)) pool->kind = Pool2DOp::Kind::kAverage;
    auto* merge = std::get_if<MergeOp>(&op.kind);
    if (merge != nullptr && merge->kind >= MergeOp::Kind::kMaximum) {
      merge->kind = MergeOp::Kind::kAverage;
    }
    auto* activation = std::get_if<ActivationOp>(&op.kind);
    if (activation != nullptr && activation->activation == kRelu) activation->activation = kTanh;
  }
  return graph;
}

#define SLUICE_SKIP_WITHOUT(precision) \
  if (const Status able = (*gpu())->check(precision); !able.ok()) GTEST_SKIP() << able.message()

#if defined(SLUICE_SANITIZED)
constexpr uint64_t kSeeds = 1;  // each is some twenty times as slow
#else
constexpr uint64_t kSeeds = 8;
#endif

class LayerParityTest : public ::testing::TestWithParam<std::tuple<Case, NamedPrecision>> {};

TEST_P(LayerParityTest, ARandomOneEqualsTheCpus) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto& [layer, precision] = GetParam();
  SLUICE_SKIP_WITHOUT(precision.precision);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    Graph graph = layer.make(rng);
    if (precision.precision != Precision::kFloat32) graph = smooth(std::move(graph));
    const int64_t batch = between(rng, 1, 19);
    expect_parity(Pair(graph, {.batch_size = batch, .precision = precision.precision}, seed),
                  Samples(graph, batch, seed), precision.precision);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LayerParityTest,
                         ::testing::Combine(::testing::ValuesIn(cases()),
                                            ::testing::ValuesIn(kPrecisions)),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param).name) +
                                  std::get<1>(instance.param).name;
                         });

// --- ReLU, maxima and what else has kinks, on multiples of 1/2 in front of them ---

// Their kinks lie between the multiples of 1/2.
Activation with_kinks(Rng& rng) {
  const Activation kAll[] = {kRelu,
                             Activation::rectifier(0.25f),
                             Activation::rectifier(0, 0, 1.75f),
                             Activation::rectifier(0.25f, 0.25f, 1.75f),
                             Activation::rectifier(-0.5f),
                             {kElu, 0.5f},
                             kSelu,
                             kHardSigmoid,
                             {kHardSigmoid, 0.2f},
                             kHardSilu,
                             kSparseSigmoid,
                             kHardTanh,
                             {kHardShrink, 0.75f},
                             {kSoftShrink, 0.75f}};
  return kAll[rng.below(std::size(kAll))];
}

float on_grid(Rng& rng) {
  constexpr float kGrid[] = {-1, -0.5f, 0.5f, 1};
  return kGrid[rng.below(4)];
}

std::vector<Case> kinks() {
  return {
      {"DenseRelu",
       [](Rng& rng) {
         GraphBuilder builder({between(rng, 1, 24)});
         builder.dense(between(rng, 1, 40), coin(rng)).activation(kRelu);
         return builder.dense(between(rng, 1, 9)).build(kMse);
       }},
      {"DenseKinks",
       [](Rng& rng) {
         GraphBuilder builder({between(rng, 1, 24)});
         builder.dense(between(rng, 1, 40), coin(rng)).activation(with_kinks(rng));
         return builder.dense(between(rng, 1, 9)).build(kMse);
       }},
      {"ConvolutionKinks",
       [](Rng& rng) {
         GraphBuilder builder({between(rng, 4, 9), between(rng, 4, 9), between(rng, 1, 2)});
         builder.conv({.filters = between(rng, 1, 20), .bias = coin(rng)});
         builder.activation(with_kinks(rng));
         return builder.conv({.filters = 3, .kernel_h = 2, .kernel_w = 1}).build(kMse);
       }},
      {"ConvolutionRelu",
       [](Rng& rng) {
         GraphBuilder builder({between(rng, 4, 9), between(rng, 4, 9), between(rng, 1, 2)});
         builder.conv({.filters = between(rng, 1, 20), .bias = coin(rng)}).activation(kRelu);
         return builder.conv({.filters = 3, .kernel_h = 2, .kernel_w = 1}).build(kMse);
       }},
      {"ReluMaxPooling",
       [](Rng& rng) {
         GraphBuilder builder({between(rng, 6, 11), between(rng, 6, 11), 1});
         builder.conv({.filters = between(rng, 1, 20)}).activation(kRelu);
         builder.pool({.pool_h = between(rng, 1, 3), .pool_w = between(rng, 1, 3)}).flatten();
         return builder.dense(4).build(kMse);
       }},
  };
}

class KinkParityTest : public ::testing::TestWithParam<std::tuple<Case, NamedPrecision>> {};

TEST_P(KinkParityTest, DecidesAsTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto& [layer, precision] = GetParam();
  SLUICE_SKIP_WITHOUT(precision.precision);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const Graph graph = layer.make(rng);
    const int64_t batch = between(rng, 1, 19);
    const Pair pair(graph, {.batch_size = batch, .precision = precision.precision}, seed);
    for (float& value : pair.cpu->parameters()) value = on_grid(rng);
    pair.cpu->parameters_changed();
    pair.copy_parameters();
    Samples samples(graph, batch, seed);
    for (float& value : samples.x) value = on_grid(rng);
    expect_parity(pair, samples, precision.precision);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KinkParityTest,
                         ::testing::Combine(::testing::ValuesIn(kinks()),
                                            ::testing::ValuesIn(kPrecisions)),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param).name) +
                                  std::get<1>(instance.param).name;
                         });

// More than a grid has blocks along y.
TEST(NormalizationParityTest, ThereMayBeMillionsOfWeights) {
  SLUICE_SKIP_WITHOUT_GPU();
  if (kSlow) GTEST_SKIP() << "an emulated GPU takes a minute for it";
  constexpr int64_t kSize = 65536 * 32;
  const NormalizeOp over_all{.view = {{.size = kSize, .normalized = true, .weighted = true}}};
  const Graph graph = GraphBuilder({kSize}).normalize(over_all).build(kMse);
  const Pair pair(graph, {.batch_size = 1}, 1);
  expect_parity(pair, Samples(graph, 1, 1), Precision::kFloat32);
}

// Behind a dense layer over the channels: a pixel that is NaN is so in all of them.
TEST(MaxPoolingParityTest, NanIsLargerThanNumbers) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Pool2DOp overlapping{.pool_h = 3, .stride_h = 1, .stride_w = 1};
  for (const Pool2DOp& op : {Pool2DOp{}, overlapping}) {
    const Graph graph = GraphBuilder({6, 8, 1}).dense(16).pool(op).build(kMse);
    const Pair pair(graph, {.batch_size = 4}, 1);
    Samples samples(graph, 4, 1);
    Rng rng(2);
    for (float& value : samples.x) {
      if (rng.below(10) == 0) value = std::numeric_limits<float>::quiet_NaN();
    }
    std::vector<float> y(static_cast<size_t>(4 * graph.output_size())), reference(y.size());
    pair.ours->predict(4, samples.x, y);
    pair.cpu->predict(4, samples.x, reference);
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(std::isnan(y[i]), std::isnan(reference[i])) << i;
    }
  }
}

}  // namespace
}  // namespace sluice::backend::testing
