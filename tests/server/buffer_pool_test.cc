#include "server/buffer_pool.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace sluice::server {
namespace {

TEST(BufferPoolTest, BufferComesBackWithItsLastReference) {
  BufferPool pool(100, 4);
  auto first = pool.take();
  ASSERT_EQ(first->size(), 100u);
  const float* data = first->data();
  const auto second_reference = first;
  first.reset();
  EXPECT_EQ(pool.idle(), 0u);
  const_cast<std::shared_ptr<core::AlignedBuffer>&>(second_reference).reset();
  EXPECT_EQ(pool.idle(), 1u);
  EXPECT_EQ(pool.take()->data(), data) << "the same memory is used again";
}

TEST(BufferPoolTest, BuffersInUseAreDistinct) {
  BufferPool pool(16, 4);
  const auto a = pool.take();
  const auto b = pool.take();
  EXPECT_NE(a->data(), b->data());
}

TEST(BufferPoolTest, KeepsNoMoreIdleBuffersThanItMay) {
  BufferPool pool(16, 2);
  {
    std::vector<std::shared_ptr<core::AlignedBuffer>> buffers;
    for (int i = 0; i < 5; ++i) buffers.push_back(pool.take());
  }
  EXPECT_EQ(pool.idle(), 2u);
}

TEST(BufferPoolTest, BufferMayOutliveThePool) {
  auto pool = std::make_unique<BufferPool>(16, 2);
  const auto buffer = pool->take();
  pool.reset();
  (*buffer)[15] = 3.0f;
  EXPECT_EQ((*buffer)[15], 3.0f);
}

TEST(BufferPoolTest, BuffersMayComeBackFromOtherThreads) {
  BufferPool pool(16, 8);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool] {
      for (int i = 0; i < 200; ++i) (*pool.take())[0] = 1.0f;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(pool.idle(), 1u);
  EXPECT_LE(pool.idle(), 4u);
}

// Others may have done with a buffer that was lent to them.
TEST(BufferPoolTest, ReclaimsBeforeItMakesAnother) {
  std::shared_ptr<core::AlignedBuffer> lent;
  int made = 0;
  wire::BufferSource source;
  source.make = [&](size_t floats) {
    ++made;
    return std::make_unique<core::AlignedBuffer>(floats);
  };
  source.reclaim = [&] { lent.reset(); };
  BufferPool pool(10, 4, source);
  lent = pool.take();
  const float* const data = lent->data();
  EXPECT_EQ(pool.take()->data(), data);
  EXPECT_EQ(made, 1);
}

}  // namespace
}  // namespace sluice::server
