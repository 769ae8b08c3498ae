// What a replica promises, against the CPU: batches of any size, mistakes, the user's own
// operations, and memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/cuda/parity/comparison.h"
#include "tests/cuda/parity/models.h"

namespace sluice::backend::testing {
namespace {

using ::testing::HasSubstr;
using enum Activation::Kind;

constexpr LossSpec kMse = MeanSquaredError{};
constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};

TEST(InferenceParityTest, ABatchOfAnySizeGivesWhatTheCpuGives) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  const Pair pair(graph, {.purpose = Purpose::kInference, .batch_size = 21}, 3, 0.3f);
  for (const int64_t n : {1, 2, 3, 5, 8, 16, 17, 21}) {
    const Samples samples(graph, n, 100);
    std::vector<float> y(static_cast<size_t>(n * graph.output_size())), expected(y.size());
    pair.ours->predict(n, samples.x, y);
    pair.cpu->predict(n, samples.x, expected);
    expect_close("predictions", y, expected, 1e-5);
    const StepMetrics ours = pair.ours->evaluate(samples.batch());
    expect_same_metrics(ours, pair.cpu->evaluate(samples.batch()), 1e-5);
    EXPECT_EQ(ours.samples, n);
  }
  EXPECT_THROW(pair.ours->start_step(Samples(graph, 2, 1).batch()), std::logic_error);
  EXPECT_THROW(pair.ours->gradients(), std::logic_error);
  EXPECT_THROW(pair.ours->begin_window(), std::logic_error);
}

TEST(ReplicaParityTest, AnyNumberOfBatchSizesTrains) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 20};
  options.optimizer = SGD({});
  const Pair pair(graph, options, 3, 0.3f);
  for (int64_t n = 1; n <= 21; ++n) {
    const Samples samples(graph, n % 20 + 1, 100);
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), kAfterSteps);
  }
}

TEST(CudaReplicaTest, BatchesOfOtherSizesLeaveNoTraces) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  const Pair pair(graph, {.batch_size = 16}, 3);
  for (const int64_t n : {16, 5, 16, 1, 5, 11}) {
    const Samples samples(graph, n, static_cast<uint64_t>(n));
    expect_same_metrics(pair.ours->evaluate(samples.batch()), pair.cpu->evaluate(samples.batch()),
                        1e-5);
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), 1e-5);
    expect_close("gradients", pair.ours->gradients(), pair.cpu->gradients(), 1e-4);
  }
}

TEST(CudaReplicaTest, BatchesMayLieInItsBuffersOrAnywhere) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 4};
  options.optimizer = SGD({.learning_rate = 0.1f});
  const auto run = [&](bool in_buffers) {
    const Pair pair(graph, options, 3);
    for (uint64_t step = 0; step < 7; ++step) {
      const Samples samples(graph, 4, step);
      if (in_buffers) {
        const BatchBuffers buffers = pair.ours->batch_buffers();
        const auto x = buffers.x.first(samples.x.size()), y = buffers.y.first(samples.y.size());
        std::copy(samples.x.begin(), samples.x.end(), x.begin());
        std::copy(samples.y.begin(), samples.y.end(), y.begin());
        pair.ours->start_step({4, x, y});
      } else {
        pair.ours->start_step(samples.batch());
      }
    }
    return pair.ours->take_metrics().loss_sum;
  };
  EXPECT_NEAR(run(true), run(false), 1e-5);
}

TEST(CudaReplicaTest, DeterministicRunsAreEqualBitForBit) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  for (const Precision precision :
       {Precision::kFloat32, Precision::kTf32, Precision::kMixedBfloat16}) {
    if (!(*gpu())->check(precision).ok()) continue;
    const auto run = [&] {
      ReplicaOptions options{.batch_size = 4, .precision = precision, .deterministic = true};
      options.optimizer = "adam";
      const Pair pair(graph, options, 3, 0.1f);
      for (uint64_t step = 0; step < 3; ++step) {
        pair.ours->start_step(Samples(graph, 4, step).batch());
      }
      return copy_of(pair.ours->parameters());
    };
    EXPECT_EQ(run(), run());
  }
}

// Whatever the outputs are, both devices call the same rows correct.
TEST(CudaReplicaTest, NanIsPassedOverAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<std::vector<float>> rows = {
      {kNan, 1, 0}, {0, kNan, 3},       {kNan, kNan, kNan},    {-kInf, -kInf, kNan},
      {0, kInf, 1}, {-kInf, 1, 2},      {-kInf, -kInf, -kInf}, {2, 1, kNan},
      {1, 2, 3},    {kInf, -kInf, kNan}};
  for (const Activation last : {kLinear, kSoftmax}) {
    const Pair pair(GraphBuilder({3}).activation(last).build(kSparse), {.batch_size = 1}, 1);
    for (size_t row = 0; row < rows.size(); ++row) {
      for (const float label : {0.0f, 1.0f, 2.0f}) {
        const Batch batch{1, rows[row], {&label, 1}};
        EXPECT_EQ(pair.ours->evaluate(batch).counters, pair.cpu->evaluate(batch).counters)
            << "row " << row << ", class " << label << (last == kSoftmax ? ", softmax" : "");
      }
    }
  }
}

TEST(CudaReplicaTest, ALogitOfMinusInfinityCostsAsMuchAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const std::vector<float> z = {0, 1, -std::numeric_limits<float>::infinity()};
  for (const LossSpec& loss : {kSparse, kCategorical}) {
    const Pair pair(GraphBuilder({3}).activation(kSoftmax).build(loss), {.batch_size = 1}, 1);
    for (size_t wanted = 0; wanted < z.size(); ++wanted) {
      std::vector<float> y(loss == kSparse ? 1 : z.size());
      y[loss == kSparse ? 0 : wanted] = loss == kSparse ? static_cast<float>(wanted) : 1.0f;
      const double ours = pair.ours->evaluate({1, z, y}).loss_sum;
      EXPECT_FLOAT_EQ(ours, pair.cpu->evaluate({1, z, y}).loss_sum) << "class " << wanted;
      EXPECT_EQ(std::isfinite(ours), wanted < 2) << "class " << wanted;
    }
  }
}

TEST(CudaReplicaTest, MistakesAreRefusedAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  const Pair pair(graph, {.batch_size = 4}, 3);
  const auto refusals = [&](Replica& replica) {
    std::vector<std::string> messages;
    const auto refused = [&](const auto& call) {
      try {
        call();
        messages.push_back("accepted");
      } catch (const std::invalid_argument& error) {
        messages.push_back(error.what());
      }
    };
    Samples samples(graph, 5, 1);
    refused([&] { replica.train_step(samples.batch()); });
    refused([&] { replica.train_step({4, samples.x, samples.y}); });
    refused([&] { replica.evaluate({2, std::span(samples.x).first(360), samples.y}); });
    samples.y[1] = 5;
    refused([&] { replica.train_step(samples.first(4)); });
    samples.y[1] = -1;
    refused([&] { replica.evaluate(samples.first(4)); });
    return messages;
  };
  const auto ours = refusals(*pair.ours);
  EXPECT_EQ(ours, refusals(*pair.cpu));
  EXPECT_THAT(ours, ::testing::Not(::testing::Contains("accepted")));
  ReplicaOptions options{.batch_size = 4};
  options.optimizer = "sgd";
  EXPECT_THROW(Pair(graph, options, 1).ours->gradients(), std::logic_error);
}

// --- Operations of the user's program ---

// y = a x + b with two scalar parameters; throws once x has a number above `limit`.
class AffineKernel : public HostKernel {
 public:
  explicit AffineKernel(float limit = 1e9f) : limit_(limit) {}
  void forward(const Forward& args) const override {
    for (size_t i = 0; i < args.y.size(); ++i) {
      if (args.x[i] > limit_) throw std::runtime_error("affine: too large");
      args.y[i] = args.parameters[0][0] * args.x[i] + args.parameters[1][0];
      if (args.training) args.y[i] *= 2;
    }
  }
  void backward(const Backward& args) const override {
    float da = 0, db = 0;
    for (size_t i = 0; i < args.dy.size(); ++i) {
      da += 2 * args.dy[i] * args.x[i];
      db += 2 * args.dy[i];
      if (!args.dx.empty()) args.dx[i] = 2 * args.parameters[0][0] * args.dy[i];
    }
    args.dparameters[0][0] = da;
    args.dparameters[1][0] = db;
  }

 private:
  const float limit_;
};

Graph with_host_op(float limit = 1e9f) {
  return GraphBuilder({6})
      .dense(4)
      .host(std::make_shared<AffineKernel>(limit), {1, 1})
      .dense(3)
      .host(std::make_shared<IdentityKernel>())
      .build(kMse);
}

TEST(HostOpParityTest, TheUsersOwnArithmeticRunsInTheStep) {
  SLUICE_SKIP_WITHOUT_GPU();
  for (const Precision precision : {Precision::kFloat32, Precision::kMixedBfloat16}) {
    if (!(*gpu())->check(precision).ok()) continue;
    const Graph graph = with_host_op();
    const Pair pair(graph, {.batch_size = 5, .precision = precision}, 3);
    expect_parity(pair, Samples(graph, 5, 4), precision);
  }
}

TEST(HostOpParityTest, ItIsCalledOnceForAStep) {
  SLUICE_SKIP_WITHOUT_GPU();
  class Counting : public IdentityKernel {
   public:
    void forward(const Forward& args) const override {
      ++forwards;
      IdentityKernel::forward(args);
    }
    void backward(const Backward& args) const override {
      ++backwards;
      IdentityKernel::backward(args);
    }
    mutable std::atomic<int> forwards{0}, backwards{0};
  };
  const auto kernel = std::make_shared<Counting>();
  const Graph graph = GraphBuilder({6}).dense(4).host(kernel).dense(3).build(kMse);
  const auto replica = (*gpu())->compile(graph, {.batch_size = 5});
  for (int step = 0; step < 3; ++step) replica->train_step(Samples(graph, 5, 4).batch());
  replica->train_step(Samples(graph, 2, 4).batch());
  EXPECT_EQ(kernel->forwards, 4);
  EXPECT_EQ(kernel->backwards, 4);
}

TEST(HostOpParityTest, WhatItThrowsComesOutOfTheNextCallThatWaits) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = with_host_op(-1e9f);
  const Pair pair(graph, {.batch_size = 5}, 3);
  const Samples samples(graph, 5, 4);
  const auto message = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "nothing";
  };
  EXPECT_EQ(message([&] { pair.ours->train_step(samples.batch()); }), "affine: too large");
  EXPECT_EQ(message([&] { pair.ours->evaluate(samples.batch()); }), "affine: too large");
  pair.ours->begin_window();
  pair.ours->start_step(samples.batch());
  const auto update = pair.ours->make_exchange_buffer();
  pair.ours->start_update({.trained = 1}, update->span());
  EXPECT_EQ(message([&] { pair.ours->finish_update(); }), "affine: too large");
  EXPECT_EQ(message([&] { pair.ours->take_metrics(); }), "nothing") << "it is told once";
}

// --- Memory ---

TEST(GpuMemoryTest, ABoundIsKeptAndNamed) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto plugin = cuda_plugin();
  ASSERT_TRUE(plugin.ok());
  const auto gpus = (*plugin)->gpus();
  ASSERT_TRUE(gpus.ok());
  // The tests' own backend keeps the first device without a bound for as long as it has replicas.
  const auto bounded = (*plugin)->open(gpus->front(), 40 << 20);
  const Graph large = GraphBuilder({1024}).dense(4096).dense(10).build(kMse);
  try {
    bounded->compile(large, {.batch_size = 1});
    FAIL() << "16 MiB of parameters, as many of gradients and the workspace fit in 40 MiB";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--gpu-memory"));
    EXPECT_THAT(error.what(), HasSubstr("40 MiB"));
  }
  const Graph small = GraphBuilder({10}).dense(4).build(kMse);
  EXPECT_NE(bounded->compile(small, {.batch_size = 1}), nullptr);
}

// Sums over the rows are in as many parts as there are rows to divide.
TEST(GpuMemoryTest, NormalizationsOfManyColumnsTakeWhatTheirRowsNeed) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto plugin = cuda_plugin();
  ASSERT_TRUE(plugin.ok());
  const auto bounded = (*plugin)->open((*plugin)->gpus()->front(), 48 << 20);
  const NormalizeOp over_all{.view = {{.size = 1 << 18, .normalized = true, .weighted = true}}};
  const Graph graph = GraphBuilder({1 << 18}).batch_norm().normalize(over_all).build(kMse);
  EXPECT_NE(bounded->compile(graph, {.batch_size = 2}), nullptr);
}

}  // namespace
}  // namespace sluice::backend::testing
