#include "sluice/shape.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ShapeTest, SizeIsTheProduct) {
  EXPECT_EQ(Shape({28, 28, 3}).size(), 2352);
  EXPECT_EQ(Shape().size(), 1);
  EXPECT_EQ(Shape({4, 0}).size(), 0);
  EXPECT_EQ(Shape({1 << 20, 1 << 20}).size(), int64_t{1} << 40);
}

TEST(ShapeTest, HasRankAndSizes) {
  const Shape shape(std::vector<int64_t>{5, 6});
  EXPECT_EQ(shape.rank(), 2);
  EXPECT_EQ(shape[0], 5);
  EXPECT_EQ(shape[1], 6);
  EXPECT_EQ(Shape().rank(), 0);
}

TEST(ShapeTest, ReadsAsAList) {
  EXPECT_EQ(Shape({28, 28, 1}).to_string(), "[28, 28, 1]");
  EXPECT_EQ(Shape({7}).to_string(), "[7]");
  EXPECT_EQ(Shape().to_string(), "[]");
}

TEST(ShapeTest, EqualMeansTheSameSizesInTheSameOrder) {
  EXPECT_EQ(Shape({2, 3}), Shape({2, 3}));
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2, 3}), Shape({2, 3, 1}));
}

}  // namespace
}  // namespace sluice
