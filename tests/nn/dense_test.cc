#include "sluice/layers/dense.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

TEST(DenseTest, WorksOnTheLastAxisOfAnyRank) {
  const Dense dense({.units = 7});
  EXPECT_EQ(dense.output_shape({5}), Shape({7}));
  EXPECT_EQ(dense.output_shape({28, 28, 3}), Shape({28, 28, 7}));
}

TEST(DenseTest, WeightsAreKernelThenBias) {
  const auto weights = Dense({.units = 7}).weights({28, 3});
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(weights[0].name, "kernel");
  EXPECT_EQ(weights[0].shape, Shape({3, 7}));
  EXPECT_EQ(weights[0].initializer, "glorot_uniform");
  EXPECT_EQ(weights[1].name, "bias");
  EXPECT_EQ(weights[1].shape, Shape({7}));
  EXPECT_EQ(weights[1].initializer, "zeros");
  EXPECT_EQ(Dense({.units = 7, .use_bias = false}).weights({3}).size(), 1u);
}

TEST(DenseTest, InputWithoutAxesIsRefusedByName) {
  Dense dense({.units = 7, .name = "top"});
  EXPECT_EQ(message_of<ShapeError>([&] { dense.output_shape({}); }),
            "Dense \"top\": expected an input of rank 1 or more (without the batch), got []");
}

TEST(DenseTest, ArgumentsAreCheckedAtConstruction) {
  EXPECT_EQ(message_of([] { Dense({}); }), "Dense: units = 0: must be at least 1");
  EXPECT_EQ(message_of([] { Dense({.units = int64_t{1} << 40}); }),
            "Dense: units = 1099511627776: must be at most 2147483647");
  EXPECT_THAT(message_of([] { Dense({.units = 1, .activation = "wave"}); }),
              testing::StartsWith("Dense: activation = \"wave\": use \"linear\", \"relu\", "));
  EXPECT_THAT(message_of([] { Dense({.units = 1, .kernel_initializer = "magic"}); }),
              testing::StartsWith("Dense: kernel_initializer = \"magic\": use one of "
                                  "glorot_uniform, glorot_normal, "));
  EXPECT_EQ(message_of([] { Dense({.units = 1, .bias_initializer = ""}); }).substr(0, 28),
            "Dense: bias_initializer = \"\"");
}

}  // namespace
}  // namespace sluice::nn
