#include "memory/segments.h"

#include <gtest/gtest.h>

#include <memory>

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

}  // namespace
}  // namespace sluice::memory
