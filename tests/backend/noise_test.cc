// Noise by its moments, what elements share, and that it is a function of seed and step alone.
// Plain dropout is replica_test.cc's.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

using Kind = NoiseOp::Kind;

// y = p_0 x + p_1, so that a gradient comes back to here; and what passes.
class Tap final : public HostKernel {
 public:
  void forward(const Forward& args) const override {
    std::copy(args.x.begin(), args.x.end(), args.y.begin());
    y = copy_of(args.y);
  }
  void backward(const Backward& args) const override {
    dy = copy_of(args.dy);
    for (const auto& gradient : args.dparameters) gradient[0] = 0;
    if (!args.dx.empty()) std::copy(args.dy.begin(), args.dy.end(), args.dx.begin());
  }
  mutable std::vector<float> y, dy;
};

struct NoiseRun {
  NoiseRun(const NoiseOp& op, const Shape& shape, int64_t batch, int threads = 1)
      : n(batch), x(static_cast<size_t>(batch * shape.size()), 1.0f), targets(x.size(), 0.25f) {
    GraphBuilder builder(shape);
    builder.host(before, {1}).then(op, shape).host(after);
    replica =
        make_replica(builder.build(MeanSquaredError{}), {.batch_size = batch, .threads = threads});
  }
  const std::vector<float>& train() {
    replica->train_step({n, x, targets});
    return after->y;
  }

  int64_t n;
  std::vector<float> x, targets;
  std::shared_ptr<Tap> before = std::make_shared<Tap>(), after = std::make_shared<Tap>();
  std::unique_ptr<Replica> replica;
};

double mean_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}
double variance_of(const std::vector<float>& values) {
  const double mean = mean_of(values);
  double sum = 0;
  for (const float value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size());
}

// Within five standard deviations of what so many normal numbers have.
void expect_normal(const std::vector<float>& values, double mean, double deviation) {
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(mean_of(values), mean, 5 * deviation / std::sqrt(n));
  const double variance = deviation * deviation;
  EXPECT_NEAR(variance_of(values), variance, 5 * variance * std::sqrt(2 / n));
  for (const auto& [within, share] : {std::pair{1.0, 0.6827}, {2.0, 0.9545}, {3.0, 0.9973}}) {
    double count = 0;
    for (const float value : values) count += std::abs(value - mean) < within * deviation;
    EXPECT_NEAR(count / n, share, 5 * std::sqrt(share * (1 - share) / n)) << within;
  }
}

TEST(NoiseTest, GaussianNoiseIsAdded) {
  NoiseRun run({.kind = Kind::kGaussianNoise, .strength = 0.3f, .seed = 5}, {1000}, 40);
  expect_normal(run.train(), 1, 0.3);
  EXPECT_EQ(run.before->dy, run.after->dy);
}

TEST(NoiseTest, GaussianDropoutMultiplies) {
  NoiseRun run({.kind = Kind::kGaussianDropout, .strength = 0.2f, .seed = 5}, {1000}, 40);
  const std::vector<float> y = run.train();
  expect_normal(y, 1, 0.5);
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_FLOAT_EQ(run.before->dy[i], run.after->dy[i] * y[i]);
  }
}

TEST(NoiseTest, AlphaDropoutKeepsMeanAndVariance) {
  NoiseRun run({.kind = Kind::kAlphaDropout, .strength = 0.2f, .seed = 5}, {1000}, 40);
  core::Rng rng(3);
  for (float& value : run.x) value = rng.normal();
  const std::vector<float> y = run.train();
  EXPECT_NEAR(mean_of(y), 0, 0.03);
  EXPECT_NEAR(variance_of(y), 1, 0.03);
  // s (x - 0.2 l), or s 0.8 l, with s = 1 / sqrt(0.8 (1 + 0.2 l^2)).
  const double l = -1.7580993408473766, s = 1 / std::sqrt(0.8 * (1 + 0.2 * l * l));
  double dropped = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const bool is_dropped = run.before->dy[i] == 0;
    dropped += is_dropped;
    ASSERT_NEAR(y[i], is_dropped ? s * 0.8 * l : s * (run.x[i] - 0.2 * l), 1e-5);
    if (is_dropped) continue;
    ASSERT_FLOAT_EQ(run.before->dy[i], run.after->dy[i] * static_cast<float>(s));
  }
  EXPECT_NEAR(dropped, 8000, 5 * std::sqrt(8000 * 0.8));
}

// Of [N, H, W, C].
std::vector<float> mask_of(std::vector<bool> shared) {
  NoiseRun run({.strength = 0.5f, .seed = 5, .shared = std::move(shared)}, {4, 5, 64}, 20);
  return run.train();
}

TEST(NoiseTest, SharedAxesAreKeptOrDroppedTogether) {
  const std::vector<float> channels = mask_of({false, true, true, false});
  int64_t kept = 0;
  for (size_t i = 0; i < channels.size(); ++i) {
    const size_t sample = i / (20 * 64), c = i % 64;
    ASSERT_EQ(channels[i], channels[sample * 20 * 64 + c]);
    kept += channels[i] != 0;
  }
  EXPECT_NEAR(static_cast<double>(kept) / 20, 640, 5 * std::sqrt(320.0));  // 1,280 draws
  const std::vector<float> pixels = mask_of({false, false, false, true});
  const std::vector<float> batch = mask_of({true, false, false, false});
  for (size_t i = 0; i < pixels.size(); ++i) {
    ASSERT_EQ(pixels[i], pixels[i / 64 * 64]);
    ASSERT_EQ(batch[i], batch[i % (20 * 64)]);
  }
  EXPECT_NE(std::vector<float>(batch.begin(), batch.begin() + 64),
            std::vector<float>(batch.begin() + 64, batch.begin() + 128));
  const std::vector<float> all = mask_of({true, true, true, true});
  EXPECT_EQ(all, std::vector<float>(all.size(), all[0]));
}

TEST(NoiseTest, DependsOnSeedAndStepOnly) {
  for (const Kind kind : {Kind::kAlphaDropout, Kind::kGaussianDropout, Kind::kGaussianNoise}) {
    const NoiseOp op{.kind = kind, .strength = 0.4f, .seed = 9};
    NoiseOp other = op;
    other.seed = 10;
    NoiseRun first(op, {70}, 9), second(op, {70}, 9, 2), third(other, {70}, 9);
    const std::vector<float> step_0 = first.train();
    EXPECT_EQ(second.train(), step_0);
    EXPECT_NE(third.train(), step_0);
    const std::vector<float> step_1 = first.train();
    EXPECT_NE(step_1, step_0);
    EXPECT_EQ(second.train(), step_1);
    first.replica->evaluate({9, first.x, first.targets});
    EXPECT_EQ(first.after->y, first.x);
  }
}

// Between convolutions images lie in blocks of channels; next to the user's program they do not.
TEST(NoiseTest, IsTheSameInBlocksOfChannels) {
  NoiseOp spatial{.strength = 0.4f, .seed = 3}, pixels = spatial;
  spatial.shared = {false, true, true, false};
  pixels.shared = {false, false, false, true};
  const NoiseOp ops[] = {{.strength = 0.4f, .seed = 3},
                         spatial,
                         pixels,
                         {.kind = Kind::kAlphaDropout, .strength = 0.4f, .seed = 3},
                         {.kind = Kind::kGaussianNoise, .strength = 0.4f, .seed = 3}};
  for (const NoiseOp& op : ops) {
    for (const int64_t filters : {16, 48}) {
      for (const int threads : {1, 2}) {
        const auto trained = [&](bool plain) {
          GraphBuilder builder({7, 6, 3});
          builder.conv({.filters = filters});
          if (plain) builder.host(std::make_shared<IdentityKernel>());
          builder.then(op, {5, 4, filters});
          if (plain) builder.host(std::make_shared<IdentityKernel>());
          const Graph graph =
              builder.conv({.filters = 16}).flatten().dense(3).build(MeanSquaredError{});
          const auto replica = make_replica(
              graph, {.batch_size = 5, .threads = threads, .optimizer = "sgd"}, 1, 0.2f);
          for (int step = 0; step < 2; ++step) replica->train_step(Samples(graph, 5, 2).batch());
          return copy_of(replica->parameters());
        };
        const std::vector<float> blocks = trained(false), plain = trained(true);
        ASSERT_EQ(blocks.size(), plain.size());
        for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(blocks[i], plain[i], 2e-5) << i;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::backend::testing
