#include "sluice/layers/conv2d.h"

#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

TEST(Conv2DTest, OutputShapes) {
  EXPECT_EQ(Conv2D({.filters = 32, .kernel_size = {3, 3}}).output_shape({28, 28, 1}),
            Shape({26, 26, 32}));
  EXPECT_EQ(
      Conv2D({.filters = 4, .kernel_size = {3, 5}, .strides = {2, 3}}).output_shape({28, 30, 2}),
      Shape({13, 9, 4}));  // floor(25 / 2) + 1, floor(25 / 3) + 1
  EXPECT_EQ(Conv2D({.filters = 4, .kernel_size = 3, .strides = 2, .padding = "same"})
                .output_shape({7, 6, 2}),
            Shape({4, 3, 4}));
}

TEST(Conv2DTest, KernelIsHwioAndBiasFollows) {
  const auto weights = Conv2D({.filters = 8, .kernel_size = {3, 5}}).weights({28, 28, 2});
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(weights[0].name, "kernel");
  EXPECT_EQ(weights[0].shape, Shape({3, 5, 2, 8}));
  EXPECT_EQ(weights[1].name, "bias");
  EXPECT_EQ(weights[1].shape, Shape({8}));
  EXPECT_EQ(Conv2D({.filters = 8, .kernel_size = 1, .use_bias = false}).weights({2, 2, 2}).size(),
            1u);
}

TEST(Conv2DTest, OneNumberStandsForBothSizes) {
  EXPECT_EQ(Conv2D({.filters = 1, .kernel_size = 3, .strides = 2}).config().get_ints("strides", {}),
            std::vector<int64_t>({2, 2}));
}

TEST(Conv2DTest, InputMustBeAnImageOfAtLeastTheKernelsSize) {
  Conv2D conv({.filters = 8, .kernel_size = {3, 5}, .name = "eyes"});
  EXPECT_EQ(message_of<ShapeError>([&] { conv.output_shape({784}); }),
            "Conv2D \"eyes\": expected an input of rank 3, [H, W, C] (without the batch), got "
            "[784]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv.output_shape({28, 4, 1});
            }),
            "Conv2D \"eyes\": expected an image of at least 3 x 5 (use padding \"same\" or a "
            "smaller window), got [28, 4, 1]");
}

TEST(Conv2DTest, ArgumentsAreCheckedAtConstruction) {
  EXPECT_EQ(message_of([] { Conv2D({.kernel_size = 3}); }),
            "Conv2D: filters = 0: must be at least 1");
  EXPECT_EQ(message_of([] { Conv2D({.filters = 1}); }),
            "Conv2D: kernel_size = 0: must be at least 1");
  EXPECT_EQ(message_of([] {
              Conv2D({.filters = 1, .kernel_size = 3, .strides = {1, 0}});
            }),
            "Conv2D: strides = 0: must be at least 1");
  EXPECT_EQ(message_of([] { Conv2D({.filters = 1, .kernel_size = 3, .padding = "full"}); }),
            "Conv2D: padding = \"full\": use \"valid\" or \"same\"");
  EXPECT_EQ(
      message_of([] { Conv2D({.filters = 1, .kernel_size = 3, .activation = "x"}); }).substr(0, 24),
      "Conv2D: activation = \"x\"");
}

}  // namespace
}  // namespace sluice::nn
