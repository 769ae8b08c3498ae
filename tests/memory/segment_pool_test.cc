#include "memory/segment_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>
#include <vector>

#include "tests/memory/shared.h"

namespace sluice::memory {
namespace {

TEST(SegmentsTest, FindBytesByAddress) {
  Segments segments;
  const auto first = *segments.make(4096);
  const auto second = *segments.make(8192);
  const auto found = segments.find(second->bytes().subspan(4096, 100));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->place, (Place{2, 4096, 100}));
  EXPECT_EQ(found->segment, second.get());
  EXPECT_TRUE(segments.find(first->bytes()));
  const std::byte elsewhere{};
  EXPECT_FALSE(segments.find({&elsewhere, 1}));
  EXPECT_FALSE(segments.find({first->bytes().data(), 4097})) << "its end is somewhere else";
  EXPECT_FALSE(segments.find({first->bytes().data() + 4096, 0}) &&
               first->bytes().data() + 4096 != second->bytes().data());
}

TEST(SegmentsTest, ForgetWhatIsGoneAndNeverGiveANumberTwice) {
  Segments segments;
  auto first = *segments.make(4096);
  const auto bytes = first->bytes();
  EXPECT_TRUE(segments.has(1));
  first.reset();
  EXPECT_FALSE(segments.has(1));
  EXPECT_FALSE(segments.find(bytes));
  EXPECT_EQ(segments.ended(), 1u);
  const auto second = *segments.make(4096);
  EXPECT_EQ(segments.find(second->bytes())->place.segment, 2u);
}

TEST(SegmentPoolTest, BuffersAreInSegmentsAndComeBack) {
  const auto segments = std::make_shared<Segments>();
  SegmentPool pool(segments, 1000, 2);
  auto first = pool.take();
  EXPECT_EQ(first->size(), 1000u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first->data()) % 64, 0u);
  const auto part = std::as_bytes(first->span()).subspan(400, 80);
  EXPECT_EQ(segments->find(part)->place, (Place{1, 400, 80}));
  const float* where = first->data();
  first.reset();
  EXPECT_EQ(pool.idle(), 1u);
  EXPECT_EQ(pool.take()->data(), where);
}

TEST(SegmentPoolTest, MoreThanItKeepsAreFreed) {
  const auto segments = std::make_shared<Segments>();
  const size_t files = open_files();
  {
    SegmentPool pool(segments, 1000, 1);
    { const auto a = pool.take(), b = pool.take(), c = pool.take(); }
    EXPECT_EQ(pool.idle(), 1u);
    EXPECT_EQ(mapped_segments(), 1u);
  }
  EXPECT_EQ(mapped_segments(), 0u);
  EXPECT_EQ(open_files(), files);
}

TEST(SegmentPoolTest, BuffersOutliveThePoolAndItsSegments) {
  auto segments = std::make_shared<Segments>();
  auto pool = std::make_unique<SegmentPool>(segments, 10, 1);
  auto buffer = pool->take();
  pool.reset();
  segments.reset();
  (*buffer)[9] = 5;
  EXPECT_EQ((*buffer)[9], 5);
  buffer.reset();
  EXPECT_EQ(mapped_segments(), 0u);
}

TEST(SegmentPoolTest, ReclaimsBeforeItMakesAnother) {
  const auto segments = std::make_shared<Segments>();
  std::shared_ptr<core::AlignedBuffer> lent;
  SegmentPool pool(segments, 10, 4, [&lent] { lent.reset(); });
  lent = pool.take();
  const float* where = lent->data();
  EXPECT_EQ(pool.take()->data(), where);
}

TEST(SegmentPoolTest, GivesOrdinaryMemoryWhereThereAreNoSegments) {
  const auto segments = std::make_shared<Segments>();
  SegmentPool pool(segments, size_t{1} << 20, 2);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit low{1 << 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const auto buffer = pool.take();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(buffer->size(), size_t{1} << 20);
  EXPECT_FALSE(segments->find(std::as_bytes(buffer->span())));
  EXPECT_TRUE(segments->find(std::as_bytes(pool.take()->span())));
}

TEST(SegmentPoolTest, ManyThreadsMayTakeAndGiveBack) {
  const auto segments = std::make_shared<Segments>();
  SegmentPool pool(segments, 100, 3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, &segments, t] {
      for (int i = 0; i < 200; ++i) {
        const auto buffer = pool.take();
        for (float& value : buffer->span()) value = static_cast<float>(t);
        EXPECT_TRUE(all_are(buffer->span(), static_cast<float>(t)));
        EXPECT_TRUE(segments->find(std::as_bytes(buffer->span())));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool.idle(), 3u);
}

}  // namespace
}  // namespace sluice::memory
