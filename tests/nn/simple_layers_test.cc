// Input, Flatten, Activation, Dropout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

TEST(InputTest, TakesOnlyItsOwnShape) {
  const Input input({28, 28, 1});
  EXPECT_EQ(input.shape(), Shape({28, 28, 1}));
  EXPECT_EQ(input.output_shape({28, 28, 1}), Shape({28, 28, 1}));
  EXPECT_THROW(input.output_shape({784}), ShapeError);
  EXPECT_EQ(Input({784}).shape(), Shape({784}));
}

TEST(InputTest, EverySizeMustBeKnown) {
  EXPECT_EQ(message_of([] {
              Input({-1, 28});
            }),
            "Input: shape = [-1, 28]: every size must be at least 1 (leave the batch out)");
}

TEST(FlattenTest, MakesOneRow) {
  EXPECT_EQ(Flatten().output_shape({12, 12, 32}), Shape({4608}));
  EXPECT_EQ(Flatten().output_shape({5}), Shape({5}));
}

TEST(ActivationTest, KeepsTheShape) {
  EXPECT_EQ(Activation("tanh").output_shape({3, 4}), Shape({3, 4}));
  EXPECT_THROW(Activation("softmax").output_shape({}), ShapeError);
}

TEST(ActivationTest, UnknownNameIsRefused) {
  EXPECT_THAT(message_of([] { Activation("wave"); }),
              testing::StartsWith("Activation: activation = \"wave\": use \"linear\", \"relu\""));
}

TEST(DropoutTest, RateMustLeaveSomething) {
  EXPECT_EQ(Dropout(0.5).output_shape({3, 4}), Shape({3, 4}));
  EXPECT_NO_THROW(Dropout(0));
  EXPECT_EQ(Dropout({.rate = 0.2, .seed = 7}).rate(), 0.2);  // as all other layers
  EXPECT_EQ(Dropout({.rate = 0.2, .seed = 7}).seed(), 7);
  EXPECT_EQ(message_of([] { Dropout({.seed = 7}); }), "Dropout: rate: missing; it has no default");
  EXPECT_EQ(message_of([] { Dropout(0.5, {.rate = 0.2}); }),
            "Dropout: rate: given twice; leave one of them out");
  EXPECT_EQ(message_of([] { Dropout(1); }),
            "Dropout: rate = 1: must be at least 0 and less than 1");
  EXPECT_EQ(message_of([] { Dropout(-0.5); }),
            "Dropout: rate = -0.5: must be at least 0 and less than 1");
}

}  // namespace
}  // namespace sluice::nn
