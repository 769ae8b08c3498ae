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

TEST(ArgumentsTest, ArgumentsOfFunctionsHaveTheTypeOfTheirDefaultAndLeaveItOut) {
  const std::vector<Parameter> known = {
      {"number", 0.5}, {"flag", false}, {"axis", int64_t{-1}}, {"text", "a"}, {"most", {}}};
  const auto taken = [&](const Config& given) {
    return take_arguments(kArgument, "f", given, known);
  };
  EXPECT_EQ(taken({{"number", 0.5}, {"flag", false}, {"axis", int64_t{-1}}, {"text", "a"}}),
            Config());
  EXPECT_EQ(taken({{"most", int64_t{6}}, {"number", int64_t{2}}}),
            Config({{"number", 2.0}, {"most", 6.0}}));
  EXPECT_EQ(taken({{"seed", {}}, {"most", {}}}), Config());
  EXPECT_EQ(message_of([&] {
              taken({{"speed", 1.0}});
            }),
            "Conv2D: strides = \"f\": has no \"speed\"; it takes number flag axis text most");
  EXPECT_EQ(message_of([&] {
              taken({{"axis", 1.0}});
            }),
            "Conv2D: strides = \"f\": \"axis\" must be a whole number");
  EXPECT_EQ(message_of([&] {
              taken({{"most", "none"}});
            }),
            "Conv2D: strides = \"f\": \"most\" must be a number");
  EXPECT_EQ(message_of([&] {
              taken({{"most", 1e39}});
            }),
            "Conv2D: strides = \"f\": \"most\" must be finite as float32 (3.4e38 at most)");
  EXPECT_EQ(message_of([&] {
              take_arguments(kArgument, "f", {{"a", 1.0}}, {});
            }),
            "Conv2D: strides = \"f\": has no \"a\"; it takes nothing");
}

TEST(ArgumentsTest, ObjectsAreReadFromNamesAndWrittenAsSuchWithoutArguments) {
  const Config config{{"name", "gelu"}, {"object", ConfigObject{"elu", {{"alpha", 2.0}}}}};
  EXPECT_EQ(get_activation(config, "name", "relu"), "gelu");
  EXPECT_EQ(get_activation(config, "object", "relu"), ActivationFunction("elu", {{"alpha", 2.0}}));
  EXPECT_EQ(get_activation(config, "absent", "relu"), "relu");
  EXPECT_EQ(to_value(ActivationFunction("elu")), ConfigValue("elu"));
  EXPECT_EQ(to_value(ActivationFunction("elu", {{"alpha", 2.0}})), *config.find("object"));
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
