#include "sluice/layers/pooling2d.h"

#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

TEST(Pooling2DTest, StridesAreThePoolsSizeUnlessGiven) {
  EXPECT_EQ(MaxPooling2D().output_shape({24, 24, 32}), Shape({12, 12, 32}));
  EXPECT_EQ(MaxPooling2D({.pool_size = {2, 3}}).output_shape({7, 7, 5}), Shape({3, 2, 5}));
  EXPECT_EQ(AveragePooling2D({.pool_size = 3, .strides = 1}).output_shape({7, 7, 5}),
            Shape({5, 5, 5}));
  EXPECT_EQ(AveragePooling2D({.pool_size = 3}).options().strides, Size2D(3));
}

TEST(Pooling2DTest, SameRoundsUp) {
  EXPECT_EQ(MaxPooling2D({.padding = "same"}).output_shape({7, 6, 1}), Shape({4, 3, 1}));
}

TEST(Pooling2DTest, HasNoWeights) { EXPECT_TRUE(MaxPooling2D().weights({4, 4, 1}).empty()); }

TEST(Pooling2DTest, ArgumentsAndShapesAreCheckedInTheClassesName) {
  EXPECT_EQ(message_of([] { MaxPooling2D({.pool_size = 0}); }),
            "MaxPooling2D: pool_size = 0: must be at least 1");
  EXPECT_EQ(message_of([] {
              AveragePooling2D({.strides = {0, 1}});
            }),
            "AveragePooling2D: strides = 0: must be at least 1");
  EXPECT_EQ(message_of([] { AveragePooling2D({.padding = "SAME"}); }),
            "AveragePooling2D: padding = \"SAME\": use \"valid\" or \"same\"");
  EXPECT_EQ(message_of<ShapeError>([] {
              MaxPooling2D({.name = "p"}).output_shape({1, 4, 1});
            }),
            "MaxPooling2D \"p\": expected an image of at least 2 x 2 (use padding \"same\" or a "
            "smaller window), got [1, 4, 1]");
  EXPECT_EQ(message_of<ShapeError>([] { AveragePooling2D({.name = "p"}).output_shape({9}); }),
            "AveragePooling2D \"p\": expected an input of rank 3, [H, W, C] (without the batch), "
            "got [9]");
}

}  // namespace
}  // namespace sluice::nn
