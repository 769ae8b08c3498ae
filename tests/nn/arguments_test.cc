// What no layer's own test covers; their messages are in conv2d_test.cc and dense_test.cc.
#include "nn/arguments.h"

#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

constexpr Argument kArgument{"Conv2D", "strides"};

TEST(ArgumentsTest, SizesGoToTheLargestThatFitsInto32Bits) {
  EXPECT_NO_THROW(require_size(kArgument, 1));
  EXPECT_NO_THROW(require_size(kArgument, 2147483647));
  EXPECT_THROW(require_size(kArgument, int64_t{2147483648}), std::invalid_argument);
  EXPECT_THROW(require_size(kArgument, 0), std::invalid_argument);
}

TEST(ArgumentsTest, SizesInTwoDimensionsAreReadFromOneNumberOrTwo) {
  Config config;
  config.set("one", int64_t{3})
      .set("two", std::vector<int64_t>{4, 5})
      .set("null", {})
      .set("three", std::vector<int64_t>{1, 2, 3})
      .set("none", std::vector<int64_t>{})
      .set("text", "same");
  EXPECT_EQ(get_size2d(config, "one", 7), Size2D(3, 3));
  EXPECT_EQ(get_size2d(config, "two", 7), Size2D(4, 5));
  EXPECT_EQ(get_size2d(config, "null", {7, 8}), Size2D(7, 8));
  EXPECT_EQ(get_size2d(config, "absent", {7, 8}), Size2D(7, 8));
  EXPECT_EQ(message_of([&] { get_size2d(config, "three", 7); }),
            "\"three\": must be one or two numbers, got [1, 2, 3]");
  EXPECT_EQ(message_of([&] { get_size2d(config, "none", 7); }),
            "\"none\": must be one or two numbers, got []");
  EXPECT_THROW(get_size2d(config, "text", 7), std::invalid_argument);
}

TEST(ArgumentsTest, ActivationsAreFoundByName) {
  EXPECT_EQ(parse_activation(kArgument, "linear"), backend::Activation::kLinear);
  EXPECT_EQ(parse_activation(kArgument, "softmax"), backend::Activation::kSoftmax);
  EXPECT_EQ(message_of([] { parse_activation(kArgument, "ReLU"); }),
            "Conv2D: strides = \"ReLU\": use \"linear\", \"relu\", \"sigmoid\", \"tanh\" or "
            "\"softmax\" (in a program, also a CustomLayer)");
}

TEST(ArgumentsTest, ShapesHaveNoZeroAndAtMost2To40Elements) {
  const Dense layer({.units = 1, .name = "d"});
  const auto refused = [&](const Shape& shape) {
    return message_of<ShapeError>([&] { require_countable(layer, "output", shape); });
  };
  const int64_t million = int64_t{1} << 20;
  EXPECT_EQ(refused({}), "nothing was thrown");
  EXPECT_EQ(refused({million, million}), "nothing was thrown");
  EXPECT_EQ(refused({million, million, 1, 1}), "nothing was thrown");
  EXPECT_EQ(refused({million, million + 1}),
            "Dense \"d\": output [1048576, 1048577]: no size may be 0 and none so large");
  // Would be 0 or 1 in 64 bits.
  EXPECT_NE(refused({int64_t{1} << 32, int64_t{1} << 32}), "nothing was thrown");
  EXPECT_NE(refused({-1, -1}), "nothing was thrown");
  EXPECT_NE(refused({0}), "nothing was thrown");
}

}  // namespace
}  // namespace sluice::nn
