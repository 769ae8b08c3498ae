// Training over several steps against the CPU: optimizers and windows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "tests/cuda/parity/comparison.h"
#include "tests/cuda/parity/models.h"
#include "tests/support/optimizers.h"

namespace sluice::backend::testing {
namespace {

using core::Rng;
using enum Activation::Kind;

constexpr LossSpec kMse = MeanSquaredError{};

// --- Optimizers ---

std::vector<OptimizerSpec> optimizers() {
  Rng rng(17);
  const auto any = [&](float low, float high) { return rng.uniform(low, high); };
  std::vector<OptimizerSpec> specs = every_setting();
  for (int i = 0; i < 3; ++i) {
    const float rate = any(0.001f, 0.05f);
    specs.push_back(SGD({.learning_rate = rate}));
    specs.push_back(SGD({.learning_rate = rate, .momentum = any(0.1f, 0.9f)}));
    specs.push_back(SGD({.learning_rate = rate, .momentum = any(0.1f, 0.9f), .nesterov = true}));
    specs.push_back(RMSprop({.learning_rate = rate, .rho = any(0.5f, 0.95f)}));
    specs.push_back(RMSprop({.learning_rate = rate, .momentum = any(0.1f, 0.9f)}));
    specs.push_back(RMSprop({.learning_rate = rate, .epsilon = 1e-3f, .centered = true}));
    specs.push_back(RMSprop(
        {.learning_rate = rate, .momentum = any(0.1f, 0.9f), .epsilon = 1e-3f, .centered = true}));
    specs.push_back(
        Adagrad({.learning_rate = rate, .initial_accumulator_value = any(0.01f, 0.5f)}));
    specs.push_back(
        Adam({.learning_rate = rate, .beta_1 = any(0.5f, 0.95f), .beta_2 = any(0.9f, 0.999f)}));
  }
  return specs;
}

TEST(OptimizerParityTest, EveryOneTrainsAsOnTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  for (const OptimizerSpec& spec : optimizers()) {
    SCOPED_TRACE(spec.name + ", learning rate " + std::to_string(spec.learning_rate.number));
    ReplicaOptions options{.batch_size = 8};
    options.optimizer = spec;
    const Pair pair(graph, options, 3, 0.3f);
    const std::vector<float> before = copy_of(pair.cpu->parameters());
    for (uint64_t step = 0; step < 6; ++step) {
      const Samples samples(graph, 8, 100 + step);
      expect_same_metrics(pair.ours->train_step(samples.batch()),
                          pair.cpu->train_step(samples.batch()), kAfterSteps);
    }
    // Of what the steps changed, not of the parameters, which are large beside it.
    std::vector<float> ours = copy_of(pair.ours->parameters());
    std::vector<float> reference = copy_of(pair.cpu->parameters());
    for (size_t i = 0; i < before.size(); ++i) {
      ours[i] -= before[i];
      reference[i] -= before[i];
    }
    expect_close("steps", ours, reference, kAfterSteps);
  }
}

// On a GPU one kernel steps all that is trained, which lies together.
TEST(OptimizerParityTest, AStateGoesFromOneDeviceToTheOther) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  for (const OptimizerSpec& spec : every_setting()) {
    SCOPED_TRACE(spec.name);
    ReplicaOptions options{.batch_size = 8};
    options.optimizer = spec;
    const Pair pair(graph, options, 3, 0.3f);
    for (uint64_t step = 0; step < 2; ++step) {
      pair.cpu->train_step(Samples(graph, 8, 100 + step).batch());
    }
    const optim::OptimizerState state = pair.cpu->optimizer_state();
    pair.ours->restore_optimizer(state);
    const optim::OptimizerState back = pair.ours->optimizer_state();
    EXPECT_EQ(back.iterations, 2);
    EXPECT_EQ(back.slots, state.slots);
    std::ranges::copy(pair.cpu->parameters(), pair.ours->parameters().begin());
    pair.ours->parameters_changed();
    for (uint64_t step = 2; step < 4; ++step) {
      const Samples samples(graph, 8, 100 + step);
      expect_same_metrics(pair.ours->train_step(samples.batch()),
                          pair.cpu->train_step(samples.batch()), kAfterSteps);
    }
    EXPECT_EQ(pair.ours->optimizer_state().iterations, 4);
  }
}

TEST(OptimizerParityTest, AnotherLearningRateIsInForceFromTheNextStepOn) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 8};
  const Pair without(graph, options, 3, 0.3f);
  EXPECT_THROW(without.ours->set_learning_rate(0.1f), std::logic_error);
  options.optimizer = Adam();
  const Pair pair(graph, options, 3, 0.3f);
  EXPECT_THROW(pair.ours->set_learning_rate(-1), std::invalid_argument);
  for (uint64_t step = 0; step < 3; ++step) {
    const Samples samples(graph, 8, 100 + step);
    const std::vector<float> before = copy_of(pair.ours->parameters());
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), kAfterSteps);
    EXPECT_EQ(copy_of(pair.ours->parameters()) == before, step == 2) << "where the rate is 0";
    pair.ours->set_learning_rate(step == 0 ? 0.01f : 0.0f);
    pair.cpu->set_learning_rate(step == 0 ? 0.01f : 0.0f);
  }
}

TEST(OptimizerParityTest, WhatIsFrozenStaysAndWhatIsSharedStepsOnce) {
  SLUICE_SKIP_WITHOUT_GPU();
  GraphBuilder builder({6});
  builder.dense(7).activation(kTanh).dense(7).activation(kTanh);
  Graph graph = builder.share(2).dense(7).dense(5).build(kMse);
  auto& frozen = std::get<DenseOp>(graph.ops[0].kind);
  frozen.kernel.role = frozen.bias->role = ParameterRole::kFrozen;
  for (const OptimizerSpec& spec : optimizers()) {
    ReplicaOptions options{.batch_size = 8};
    options.optimizer = spec;
    const Pair pair(graph, options, 3, 0.3f);
    const std::vector<float> before = copy_of(pair.ours->parameters());
    for (uint64_t step = 0; step < 3; ++step) {
      const Samples samples(graph, 8, 100 + step);
      expect_same_metrics(pair.ours->train_step(samples.batch()),
                          pair.cpu->train_step(samples.batch()), kAfterSteps);
    }
    const std::vector<float> after = copy_of(pair.ours->parameters());
    const auto trained = static_cast<std::ptrdiff_t>(frozen.bias->offset + frozen.bias->size);
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + trained, after.begin()));
    expect_close("parameters", after, pair.cpu->parameters(), kAfterSteps);
  }
}

// Of the first layer the kernel, of the second both, whose size is no multiple of anything.
TEST(OptimizerParityTest, WeightDecayLeavesOutTheSameParameters) {
  SLUICE_SKIP_WITHOUT_GPU();
  GraphBuilder builder({6});
  const Graph graph =
      builder.dense(37).activation(kTanh).dense(9).activation(kTanh).dense(5).build(LossSpec(kMse));
  const auto& first = std::get<DenseOp>(graph.ops[0].kind).kernel;
  const auto& second = std::get<DenseOp>(graph.ops[2].kind);
  ReplicaOptions options{.batch_size = 8, .precision = Precision::kFloat32};
  options.optimizer = AdamW({.learning_rate = 0.01f, .weight_decay = 5});
  options.undecayed = {{first.offset, first.size},
                       {second.kernel.offset, second.kernel.size + second.bias->size}};
  const Pair pair(graph, options, 3, 0.3f);
  for (uint64_t step = 0; step < 6; ++step) {
    const Samples samples(graph, 8, 100 + step);
    expect_same_metrics(pair.ours->train_step(samples.batch()),
                        pair.cpu->train_step(samples.batch()), kAfterSteps);
  }
  expect_close("parameters", copy_of(pair.ours->parameters()), pair.cpu->parameters(), kAfterSteps);
}

TEST(OptimizerParityTest, EqualGradientsGiveEqualBits) {
  SLUICE_SKIP_WITHOUT_GPU();
  // One product of exact numbers: d/dw (w x - y)^2.
  const Graph graph = GraphBuilder({1}).dense(1, false).build(kMse);
  for (const OptimizerSpec& spec : optimizers()) {
    ReplicaOptions options{.batch_size = 1};
    options.optimizer = spec;
    const Pair pair(graph, options, 3);
    const std::vector<float> x{1};
    for (const float target : {0.5f, -2.0f, 1.5f, 0.0f}) {
      const std::vector<float> y{target};
      pair.ours->train_step({1, x, y});
      pair.cpu->train_step({1, x, y});
      if (spec == Ftrl({.learning_rate_power = -0.75f})) {  // powers are rounded alike or not
        EXPECT_FLOAT_EQ(pair.ours->parameters()[0], pair.cpu->parameters()[0]);
      } else {
        EXPECT_EQ(pair.ours->parameters()[0], pair.cpu->parameters()[0]) << spec.name;
      }
    }
    pair.ours->adopt_averages();
    pair.cpu->adopt_averages();
    EXPECT_FLOAT_EQ(pair.ours->parameters()[0], pair.cpu->parameters()[0]) << spec.name;
  }
}

TEST(OptimizerParityTest, MixedPrecisionKeepsFloat32Parameters) {
  SLUICE_SKIP_WITHOUT_GPU();
  if (!(*gpu())->check(Precision::kMixedBfloat16).ok()) GTEST_SKIP() << "no bfloat16";
  const Graph graph = GraphBuilder({4}).dense(3).build(kMse);
  ReplicaOptions options{.batch_size = 4, .precision = Precision::kMixedBfloat16};
  options.optimizer = SGD({.learning_rate = 1e-4f});  // steps below bfloat16's resolution
  const Pair pair(graph, options, 3);
  const Samples samples(graph, 4, 5);
  const std::vector<float> before = copy_of(pair.ours->parameters());
  for (int step = 0; step < 20; ++step) pair.ours->train_step(samples.batch());
  int moved = 0;
  for (size_t i = 0; i < before.size(); ++i) moved += before[i] != pair.ours->parameters()[i];
  EXPECT_GT(moved, static_cast<int>(before.size()) * 3 / 4);
}

// --- Windows ---

std::vector<float> centre_of(const Graph& graph, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> centre(graph.parameter_size);
  for (float& value : centre) value = rng.uniform(-0.3f, 0.3f);
  return centre;
}

// What a worker does with overlap, on one replica; the updates it would push, and at the end its
// parameters.
std::vector<std::vector<float>> exchange(Replica& replica, std::vector<StepMetrics>& metrics) {
  const Graph& graph = replica.graph();
  const auto centre = replica.make_exchange_buffer();
  std::vector<std::shared_ptr<core::AlignedBuffer>> buffers;
  const auto fill_centre = [&](uint64_t seed) {
    const auto values = centre_of(graph, seed);
    std::copy(values.begin(), values.end(), centre->data());
  };
  fill_centre(1);
  replica.adopt(centre->span(), OwnUpdate::kIncluded);
  for (uint64_t window = 0; window < 4; ++window) {
    for (uint64_t step = 0; step < 3; ++step) {
      replica.start_step(Samples(graph, 6, 10 * window + step).batch());
    }
    if (window > 0) metrics.push_back(replica.finish_update());  // of the window before
    buffers.push_back(replica.make_exchange_buffer());
    replica.start_update({.trained = 1.0f / 3, .state = 0.25f}, buffers.back()->span());
    if (window == 1) {
      replica.begin_window();
    } else {
      fill_centre(2 + window);
      replica.adopt(centre->span(), window == 3 ? OwnUpdate::kIncluded : OwnUpdate::kMissing);
    }
    // The centre may be written to again only now.
    if (window == 0 || window == 2) metrics.push_back(replica.finish_update());
  }
  metrics.push_back(replica.finish_update());
  std::vector<std::vector<float>> results;
  for (const auto& buffer : buffers) results.push_back(copy_of(buffer->span()));
  results.push_back(copy_of(replica.parameters()));
  return results;
}

TEST(WindowParityTest, UpdatesAndCentresAreTheCpus) {
  SLUICE_SKIP_WITHOUT_GPU();
  struct Case {
    Graph graph;
    bool local;
    optim::NormClip clip;
  };
  for (const auto& [graph, local, clip] :
       {Case{small_cnn(), true, {}}, Case{small_cnn(), false, {}}, Case{normalized_cnn(), true, {}},
        Case{normalized_cnn(), false, {}}, Case{normalized_cnn(), false, {.each = 0.01f}},
        Case{small_cnn(), false, {.global = 0.01f}}}) {
    ReplicaOptions options{.batch_size = 6, .update_clip = clip};
    if (local) options.optimizer = SGD({.learning_rate = 0.1f, .momentum = 0.5f});
    const Pair pair(graph, options, 3);
    std::vector<StepMetrics> our_metrics, cpu_metrics;
    const auto ours = exchange(*pair.ours, our_metrics);
    const auto reference = exchange(*pair.cpu, cpu_metrics);
    ASSERT_EQ(ours.size(), reference.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      SCOPED_TRACE(std::string(local ? "changes" : "gradients") + " of " + graph.ops[1].name +
                   ", result " + std::to_string(i));
      expect_close("update", ours[i], reference[i], 1e-4);
    }
    ASSERT_EQ(our_metrics.size(), cpu_metrics.size());
    for (size_t i = 0; i < our_metrics.size(); ++i) {
      expect_same_metrics(our_metrics[i], cpu_metrics[i], 1e-4);
    }
  }
}

TEST(WindowParityTest, AnUpdateIsTheScaledChangeOfItsParameters) {
  SLUICE_SKIP_WITHOUT_GPU();
  const Graph graph = small_cnn();
  ReplicaOptions options{.batch_size = 6};
  options.optimizer = "adam";
  const Pair pair(graph, options, 3);
  pair.ours->begin_window();
  const std::vector<float> before = copy_of(pair.ours->parameters());
  const Samples samples(graph, 6, 9);
  for (int step = 0; step < 3; ++step) pair.ours->start_step(samples.batch());
  const auto update = pair.ours->make_exchange_buffer();
  pair.ours->start_update({.trained = 0.5f}, update->span());
  EXPECT_EQ(pair.ours->finish_update().samples, 18);
  EXPECT_EQ(pair.ours->take_metrics().samples, 0);
  const auto after = pair.ours->parameters();
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(update->data()[i], (after[i] - before[i]) * 0.5f) << i;
  }
}

}  // namespace
}  // namespace sluice::backend::testing
