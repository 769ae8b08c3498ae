#include "nn/naming.h"

#include <gtest/gtest.h>

#include "sluice/layers.h"

namespace sluice::nn {
namespace {

TEST(NamingTest, SnakeCaseIsKeras) {
  EXPECT_EQ(snake_case("Dense"), "dense");
  EXPECT_EQ(snake_case("Conv2D"), "conv2d");
  EXPECT_EQ(snake_case("MaxPooling2D"), "max_pooling2d");
  EXPECT_EQ(snake_case("GlobalAveragePooling2D"), "global_average_pooling2d");
  EXPECT_EQ(snake_case("ReLU"), "re_lu");
  EXPECT_EQ(snake_case("LeakyReLU"), "leaky_re_lu");
  EXPECT_EQ(snake_case("ELU"), "elu");
  EXPECT_EQ(snake_case("ZeroPadding2D"), "zero_padding2d");
  EXPECT_EQ(snake_case("InputLayer"), "input_layer");
}

TEST(NamingTest, NextNameIsTheFirstThatIsFree) {
  std::vector<std::unique_ptr<Layer>> layers;
  EXPECT_EQ(next_name("Dense", layers), "dense");
  layers.push_back(std::make_unique<Dense>(DenseOptions{.units = 1, .name = "dense"}));
  layers.push_back(std::make_unique<Dense>(DenseOptions{.units = 1, .name = "dense_2"}));
  EXPECT_EQ(next_name("Dense", layers), "dense_1");
  layers.push_back(std::make_unique<Flatten>(FlattenOptions{.name = "dense_1"}));
  EXPECT_EQ(next_name("Dense", layers), "dense_3");
}

}  // namespace
}  // namespace sluice::nn
