#include "core/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sluice::core {
namespace {

class AlignedBufferSizeTest : public testing::TestWithParam<size_t> {};

TEST_P(AlignedBufferSizeTest, IsAlignedAndZeroed) {
  AlignedBuffer buffer(GetParam());
  EXPECT_EQ(buffer.size(), GetParam());
  EXPECT_EQ(buffer.span().size(), GetParam());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
  EXPECT_TRUE(std::all_of(buffer.span().begin(), buffer.span().end(),
                          [](float value) { return value == 0; }));
  if (GetParam() > 0) {
    buffer[GetParam() - 1] = 3;
    EXPECT_EQ(buffer.span().back(), 3.0f);
  }
}

TEST_P(AlignedBufferSizeTest, OfWholePagesSharesNone) {
  const AlignedBuffer a = AlignedBuffer::of_whole_pages(GetParam());
  const AlignedBuffer b = AlignedBuffer::of_whole_pages(GetParam());
  EXPECT_EQ(a.size(), GetParam());
  const auto page = [](const float* p) { return reinterpret_cast<uintptr_t>(p) / 4096; };
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 4096, 0u);
  if (GetParam() > 0) {
    EXPECT_NE(page(a.data() + a.size() - 1), page(b.data()));
    EXPECT_NE(page(b.data() + b.size() - 1), page(a.data()));
  }
}

// The last two lie on both sides of the size from which huge pages are asked for.
INSTANTIATE_TEST_SUITE_P(Sizes, AlignedBufferSizeTest,
                         testing::Values(0, 1, 15, 16, 17, 1000, (size_t{2} << 20) / 4 - 1,
                                         (size_t{2} << 20) / 4 + 1));

TEST(AlignedBufferTest, OverKeepsTheMemorysOwnerAndFreesNothing) {
  const auto memory = std::make_shared<std::vector<float>>(8, 2.0f);
  {
    AlignedBuffer buffer = AlignedBuffer::over(std::span(*memory).first(5), memory);
    EXPECT_EQ(buffer.data(), memory->data());
    EXPECT_EQ(buffer.size(), 5u);
    EXPECT_EQ(memory.use_count(), 2);
    AlignedBuffer moved(3);
    moved = std::move(buffer);
    EXPECT_EQ(moved[4], 2.0f);
    EXPECT_EQ(memory.use_count(), 2);
  }
  EXPECT_EQ(memory.use_count(), 1);
}

TEST(AlignedBufferTest, MovingHandsTheMemoryOver) {
  AlignedBuffer first(10);
  first[3] = 7;
  const float* data = first.data();
  AlignedBuffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second[3], 7.0f);

  AlignedBuffer third(5);
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.size(), 10u);
}

}  // namespace
}  // namespace sluice::core
