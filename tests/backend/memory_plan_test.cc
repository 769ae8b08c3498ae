#include "backend/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "core/aligned_buffer.h"
#include "core/rng.h"

namespace sluice::backend {
namespace {

TEST(MemoryPlanTest, BuffersAliveAtOnceNeverShareMemory) {
  struct Asked {
    const Buffer* buffer;
    size_t size;
    int first, last;
  };
  for (uint64_t seed = 0; seed < 20; ++seed) {
    core::Rng rng(seed);
    MemoryPlan plan;
    std::vector<Asked> all;
    for (int i = 0; i < 40; ++i) {
      const auto size = static_cast<size_t>(rng.below(200));
      const auto first = static_cast<int>(rng.below(20));
      const int last = first + static_cast<int>(rng.below(8));
      all.push_back({plan.add(size, first, last), size, first, last});
    }
    core::AlignedBuffer arena(plan.place());
    plan.bind(arena.data());
    for (const Asked& a : all) {
      if (a.size == 0) continue;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(a.buffer->data) % 64, 0u);
      EXPECT_GE(a.buffer->data, arena.data());
      EXPECT_LE(a.buffer->data + a.size, arena.data() + arena.size());
      for (const Asked& b : all) {
        const bool both_alive = a.first <= b.last && b.first <= a.last;
        if (&a == &b || !both_alive || b.size == 0) continue;
        EXPECT_TRUE(a.buffer->data + a.size <= b.buffer->data ||
                    b.buffer->data + b.size <= a.buffer->data);
      }
    }
  }
}

// What a chain of layers asks for: each value is read by the next stage only.
TEST(MemoryPlanTest, AChainNeedsTwoBuffers) {
  MemoryPlan plan;
  for (int i = 0; i < 10; ++i) plan.add(64, i, i + 1);
  EXPECT_EQ(plan.place(), 2u * 64);
}

TEST(MemoryPlanTest, SizesAreRoundedToCacheLinesAndTheLargestCounts) {
  MemoryPlan plan;
  const Buffer* small = plan.add(50, 0, 1);
  const Buffer* large = plan.add(100, 2, 3);
  core::AlignedBuffer arena(plan.place());
  EXPECT_EQ(arena.size(), 112u);
  plan.bind(arena.data());
  EXPECT_EQ(small->data, large->data);
}

TEST(MemoryPlanTest, AHoleBetweenLivingBuffersIsFilled) {
  MemoryPlan plan;
  plan.add(64, 0, 9);
  const Buffer* gone = plan.add(64, 0, 1);
  plan.add(64, 0, 9);
  const Buffer* late = plan.add(48, 2, 3);
  core::AlignedBuffer arena(plan.place());
  EXPECT_EQ(arena.size(), 3u * 64);
  plan.bind(arena.data());
  EXPECT_EQ(late->data, gone->data);
}

TEST(MemoryPlanTest, MemoryElsewhereTakesNoneAndDoesNotMove) {
  MemoryPlan plan;
  const float parameter = 1;
  const Buffer* elsewhere = plan.elsewhere(&parameter);
  const Buffer* value = plan.add(16, 0, 0);
  EXPECT_EQ(plan.place(), 16u);
  core::AlignedBuffer first(16), second(16);
  plan.bind(first.data());
  EXPECT_EQ(value->data, first.data());
  plan.bind(second.data());
  EXPECT_EQ(value->data, second.data());
  EXPECT_EQ(elsewhere->data, &parameter);
}

}  // namespace
}  // namespace sluice::backend
