#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {
namespace {

constexpr LossSpec kMse = MeanSquaredError{};

class RecordingKernel : public IdentityKernel {
 public:
  void forward(const Forward& args) const override {
    IdentityKernel::forward(args);
    y = copy_of(args.x);
  }
  void backward(const Backward& args) const override {
    IdentityKernel::backward(args);
    dy = copy_of(args.dy);
  }
  mutable std::vector<float> y, dy;
};

struct DropoutRun {
  explicit DropoutRun(float rate, uint64_t seed, int threads = 1)
      : before(std::make_shared<RecordingKernel>()), after(std::make_shared<RecordingKernel>()) {
    const Graph graph = GraphBuilder({1000})
                            .host(std::make_shared<ScaleKernel>(), {1, 1})
                            .host(before)
                            .dropout(rate, seed)
                            .host(after)
                            .build(kMse);
    replica = make_replica(graph, {.batch_size = 20, .threads = threads});
    replica->parameters()[0] = 1;
    replica->parameters()[1] = 0;
    replica->parameters_changed();
  }
  const std::vector<float>& train() {
    replica->train_step({20, x, y});
    return after->y;
  }
  std::shared_ptr<RecordingKernel> before, after;
  std::unique_ptr<Replica> replica;
  std::vector<float> x = std::vector<float>(20000, 1.0f), y = std::vector<float>(20000, 0.0f);
};

TEST(DropoutTest, KeepsTheRateAndScalesWhatItKeeps) {
  for (float rate : {0.1f, 0.5f, 0.9f}) {
    DropoutRun run(rate, 7);
    const std::vector<float> y = run.train();
    int64_t kept = 0;
    for (float value : y) {
      if (value == 0) continue;
      ++kept;
      ASSERT_FLOAT_EQ(value, 1 / (1 - rate));
    }
    const double expected = 20000.0 * (1 - static_cast<double>(rate));
    EXPECT_NEAR(static_cast<double>(kept), expected, 5 * std::sqrt(expected * rate));
  }
}

TEST(DropoutTest, GradientPassesThroughTheSameMask) {
  DropoutRun run(0.3f, 7);
  run.train();
  for (size_t i = 0; i < run.before->dy.size(); ++i) {
    const float scale = run.after->y[i] / run.before->y[i];
    ASSERT_FLOAT_EQ(run.before->dy[i], run.after->dy[i] * scale);
  }
}

TEST(DropoutTest, MaskDependsOnSeedAndStepOnly) {
  DropoutRun first(0.5f, 7), second(0.5f, 7, 2), other(0.5f, 8);
  const std::vector<float> step_0 = first.train();
  EXPECT_EQ(second.train(), step_0);
  EXPECT_NE(other.train(), step_0);
  const std::vector<float> step_1 = first.train();
  EXPECT_NE(step_1, step_0);
  EXPECT_EQ(second.train(), step_1);
}

TEST(DropoutTest, IsTheIdentityInInference) {
  DropoutRun run(0.5f, 7);
  run.replica->evaluate({20, run.x, run.y});
  EXPECT_EQ(run.after->y, run.x);
}

}  // namespace
}  // namespace sluice::backend::testing
