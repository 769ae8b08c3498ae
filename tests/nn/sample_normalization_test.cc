// LayerNormalization, GroupNormalization, RMSNormalization, UnitNormalization.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using testing::HasSubstr;

std::vector<Shape> weight_shapes(const Layer& layer, const Shape& input) {
  std::vector<Shape> shapes;
  for (const WeightSpec& weight : layer.weights(input)) shapes.push_back(weight.shape);
  return shapes;
}

TEST(LayerNormalizationTest, WeightsHaveTheSizesOfItsAxes) {
  EXPECT_EQ(weight_shapes(LayerNormalization(), {4, 3, 2}), (std::vector<Shape>{{2}, {2}}));
  EXPECT_EQ(weight_shapes(LayerNormalization({.axis = {3, 1}, .center = false}), {4, 3, 2}),
            (std::vector<Shape>{{4, 2}}));
}

TEST(LayerNormalizationTest, AxesMustBeThereAndNamedOnce) {
  const auto message = [](std::vector<int64_t> axes) {
    return message_of([&] { LayerNormalization({.axis = axes}).output_shape({4, 3}); });
  };
  EXPECT_THAT(message({0}), HasSubstr("axis 0 not to be the batch"));
  EXPECT_THAT(message({3}), HasSubstr("an input with an axis 3"));
  EXPECT_THAT(message({2, -1}), HasSubstr("axis -1 to be named once"));
  EXPECT_THAT(message({}), HasSubstr("at least one axis"));
}

TEST(LayerNormalizationTest, OptionsOutOfRangeAreRefused) {
  EXPECT_EQ(message_of([] { LayerNormalization({.epsilon = -1}); }),
            "LayerNormalization: epsilon = -1: must be from 0 to 1e6");
  EXPECT_THAT(message_of([] { LayerNormalization({.gamma_regularizer = "l3"}); }),
              HasSubstr("LayerNormalization: gamma_regularizer"));
  EXPECT_THAT(message_of([] {
                LayerNormalization::from_config({{"rms_scaling", true}});
              }),
              HasSubstr("use RMSNormalization"));
}

TEST(GroupNormalizationTest, GroupsMustDivideTheChannels) {
  EXPECT_EQ(weight_shapes(GroupNormalization({.groups = 3}), {5, 6}),
            (std::vector<Shape>{{6}, {6}}));
  EXPECT_NO_THROW(GroupNormalization({.groups = -1}).output_shape({5, 6}));
  EXPECT_THAT(message_of([] {
                GroupNormalization().output_shape({5, 6});
              }),
              HasSubstr("channels that 32 groups divide, not 6"));
  EXPECT_EQ(message_of([] { GroupNormalization({.groups = 0}); }),
            "GroupNormalization: groups = 0: must be at least 1, or -1 for each channel by itself");
}

TEST(RMSNormalizationTest, NormalizesTheLastAxes) {
  EXPECT_EQ(weight_shapes(RMSNormalization(), {4, 3, 2}), (std::vector<Shape>{{2}}));
  EXPECT_EQ(weight_shapes(RMSNormalization({.axis = {2, 3}}), {4, 3, 2}),
            (std::vector<Shape>{{3, 2}}));
  EXPECT_THAT(message_of([] {
                RMSNormalization({.axis = {1}}).output_shape({4, 3});
              }),
              HasSubstr("to normalize the last axes only"));
}

TEST(UnitNormalizationTest, HasNoWeights) {
  EXPECT_EQ(UnitNormalization({.axis = {1}}).output_shape({4, 3}), Shape({4, 3}));
  EXPECT_TRUE(weight_shapes(UnitNormalization(), {4, 3}).empty());
}

}  // namespace
}  // namespace sluice::nn
