#include <gtest/gtest.h>

#include "sluice/errors.h"
#include "sluice/layers.h"
#include "sluice/model.h"

namespace sluice {
namespace {

TEST(LayerSummariesTest, CountParametersAndProducts) {
  Sequential inner("inner");
  inner.add(Input({4, 4, 8}))
      .add(DepthwiseConv2D({.kernel_size = {3, 3}, .padding = "same"}))
      .add(BatchNormalization());
  Sequential model;
  model.add(Input({6, 6, 3}))
      .add(Conv2D({.filters = 8, .kernel_size = {3, 3}}))
      .add(inner)
      .add(Conv2DTranspose({.filters = 2, .kernel_size = {2, 2}, .strides = {2, 2}}))
      .add(Flatten())
      .add(Dense({.units = 5, .use_bias = false}));
  const auto layers = model.layer_summaries();
  ASSERT_EQ(layers.size(), 5u);
  EXPECT_EQ(layers[0].name, "conv2d");
  EXPECT_EQ(layers[0].class_name, "Conv2D");
  EXPECT_EQ(layers[0].output_shape, (Shape{4, 4, 8}));
  EXPECT_EQ(layers[0].parameters, 3u * 3 * 3 * 8 + 8);
  EXPECT_EQ(layers[0].multiply_adds, 4 * 4 * 8 * 3 * 3 * 3);
  EXPECT_EQ(layers[1].parameters, 3u * 3 * 8 + 8 + 4 * 8);
  EXPECT_EQ(layers[1].trainable_parameters, 3u * 3 * 8 + 8 + 2 * 8);
  EXPECT_EQ(layers[1].multiply_adds, 4 * 4 * 8 * 3 * 3);
  EXPECT_EQ(layers[2].multiply_adds, 4 * 4 * 8 * 2 * 2 * 2);
  EXPECT_EQ(layers[3].multiply_adds, 0);
  EXPECT_EQ(layers[4].multiply_adds, 8 * 8 * 2 * 5);
}

TEST(LayerSummariesTest, ASharedLayersWorkCountsForEachCall) {
  const Input x({3});
  const Dense shared({.units = 3});
  const Model model(x, shared(shared(x)));
  const auto layers = model.layer_summaries();
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].parameters, 12u);
  EXPECT_EQ(layers[0].multiply_adds, 18);
  EXPECT_EQ(layers[0].inbound_layers, (std::vector<std::string>{"input_layer", "dense"}));
}

TEST(LayerSummariesTest, AModelThatIsNotBuiltHasNone) {
  EXPECT_THROW(Sequential().layer_summaries(), ShapeError);
}

}  // namespace
}  // namespace sluice
