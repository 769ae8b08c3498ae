#include "backend/cpu/parameter_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

using ::testing::Each;

TEST(ParameterStoreTest, VersionChangesWithTheValuesOnly) {
  ParameterStore without(4, {.threads = 1});
  uint64_t version = without.version();
  EXPECT_NE(version, 0u);  // what a kernel has seen before its first step
  without.begin_step();
  without.gradient_complete({0, 4});
  EXPECT_EQ(without.version(), version);  // nobody stepped
  without.values_changed();
  EXPECT_NE(without.version(), version);

  ParameterStore with(4, {.threads = 1, .optimizer = OptimizerSpec("sgd")});
  version = with.version();
  with.begin_step();
  EXPECT_NE(with.version(), version);
}

TEST(ParameterStoreTest, WithoutAnOptimizerGradientsStayAndValuesToo) {
  ParameterStore store(3, {.threads = 1});
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
  for (const char* name : {"sgd", "rmsprop", "adagrad", "adam"}) {
    for (int threads : {1, 3}) {
      ParameterStore store(kSize, {.threads = threads, .optimizer = OptimizerSpec(name)});
      optim::Optimizer whole(OptimizerSpec(name), kSize);
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
          << name << " on " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace sluice::backend::cpu
