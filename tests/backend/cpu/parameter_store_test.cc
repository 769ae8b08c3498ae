#include "backend/cpu/parameter_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"
#include "tests/support/optimizers.h"

namespace sluice::backend::cpu {
namespace {

using ::testing::Each;

TEST(ParameterStoreTest, VersionChangesWithTheValuesOnly) {
  ParameterStore without(4, {.threads = 1}, {{0, 4}});
  uint64_t version = without.version();
  EXPECT_NE(version, 0u);  // what a kernel has seen before its first step
  without.begin_step();
  without.gradient_complete({0, 4});
  EXPECT_EQ(without.version(), version);  // nobody stepped
  without.values_changed();
  EXPECT_NE(without.version(), version);

  ParameterStore with(4, {.threads = 1, .optimizer = OptimizerSpec("sgd")}, {{0, 4}});
  version = with.version();
  with.begin_step();
  EXPECT_NE(with.version(), version);
}

TEST(ParameterStoreTest, WithoutAnOptimizerGradientsStayAndValuesToo) {
  ParameterStore store(3, {.threads = 1}, {{1, 2}});
  EXPECT_FALSE(store.has_optimizer());
  std::fill_n(store.values_of({0, 3}), 3, 5.0f);
  store.begin_step();
  std::fill_n(store.gradients_of({1, 2}), 2, 2.0f);
  store.gradient_complete({1, 2});
  EXPECT_THAT(store.values(), Each(5.0f));
  EXPECT_EQ(store.gradients()[0], 0);
  EXPECT_EQ(store.gradients()[2], 2);
}

// In slices large enough for several threads, and in blocks whose gradients lie elsewhere.
TEST(ParameterStoreTest, SlicesAndRangesEqualOneWholeStepBitForBit) {
  constexpr size_t kSize = 50'001, kCut = 40'000, kBlock = 777;
  for (const OptimizerSpec& spec : every_setting()) {
    if (optim::norm_clip_of(spec).is_needed()) continue;  // does not step piece by piece
    for (int threads : {1, 3}) {
      ParameterStore store(kSize, {.threads = threads, .optimizer = spec},
                           {{0, kCut}, {kCut, kSize - kCut}});
      optim::Optimizer whole(spec, kSize);
      core::Rng rng(1);
      std::vector<float> expected(kSize), gradients(kSize);
      for (float& value : expected) value = rng.uniform(-1, 1);
      std::copy(expected.begin(), expected.end(), store.values().begin());
      for (int step = 0; step < 3; ++step) {
        for (float& value : gradients) value = rng.uniform(-1, 1);
        whole.apply(expected, gradients);
        store.begin_step();
        const ParameterSlice slice{0, kCut};
        std::copy_n(gradients.begin(), kCut, store.gradients_of(slice));
        store.gradient_complete(slice);
        for (size_t at = kCut; at < kSize; at += kBlock) {
          const size_t count = std::min(kBlock, kSize - at);
          store.apply(at, std::span<const float>(gradients).subspan(at, count));
        }
      }
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), store.values().begin()))
          << spec.name << " on " << threads << " threads";
    }
  }
}

std::vector<float> after_steps(const OptimizerSpec& spec, int threads) {
  constexpr size_t kSize = 70'001;
  const std::vector<ParameterSlice> slices = {{0, 40'000}, {40'005, 3}, {40'008, 29'000}};
  ParameterStore store(kSize, {.threads = threads, .optimizer = spec}, slices);
  EXPECT_FALSE(store.steps_at_once());
  core::Rng rng(1);
  for (float& value : store.values()) value = rng.uniform(-1, 1);
  for (int step = 0; step < 3; ++step) {
    store.begin_step();
    for (const ParameterSlice& slice : slices) {
      for (size_t i = 0; i < slice.size; ++i) store.gradients_of(slice)[i] = rng.uniform(-1, 1);
      store.gradient_complete(slice);
    }
    store.end_step();
  }
  return {store.values().begin(), store.values().end()};
}

TEST(ParameterStoreTest, NormsAreTheSameOnAnyNumberOfThreads) {
  for (const OptimizerSpec& spec : {SGD({.learning_rate = 1, .clipnorm = 0.5f}),
                                    SGD({.learning_rate = 1, .global_clipnorm = 0.5f})}) {
    const std::vector<float> expected = after_steps(spec, 1);
    for (const int threads : {2, 3, 7}) EXPECT_EQ(after_steps(spec, threads), expected);
  }
}

// As in Keras: whoever looks at the parameters sees that something is wrong.
TEST(ParameterStoreTest, AGradientThatIsNotFiniteIsNotHidden) {
  const std::vector<ParameterSlice> slices = {{0, 2}, {2, 1}};
  for (const float strange : {NAN, INFINITY}) {
    for (const OptimizerSpec& spec : {SGD({.clipnorm = 0.5f}), SGD({.global_clipnorm = 0.5f})}) {
      ParameterStore store(3, {.optimizer = spec}, slices);
      store.begin_step();
      store.gradients_of(slices[0])[0] = strange;
      store.gradients_of(slices[1])[0] = 1;
      store.end_step();
      EXPECT_TRUE(std::isnan(store.values()[0]));
      // The other parameter has a norm of its own, unless that of all is asked for.
      EXPECT_EQ(std::isnan(store.values()[2]), spec.global_clipnorm > 0);
    }
  }
}

}  // namespace
}  // namespace sluice::backend::cpu
