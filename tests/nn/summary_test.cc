// The golden files are what Keras 3 prints for the same models (golden/make_golden.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

class AnOwnLayerWithAVeryLongClassName : public CustomLayer {
 public:
  explicit AnOwnLayerWithAVeryLongClassName(const std::string& name) { set_name(name); }
  std::string class_name() const override { return "AnOwnLayerWithAVeryLongClassName"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<AnOwnLayerWithAVeryLongClassName>(*this);
  }
  void forward(const Forward&) const override {}
  void backward(const Backward&) const override {}
};

TEST(SummaryTest, MnistCnnLooksAsInKeras) {
  EXPECT_EQ(mnist_cnn().summary(), read_golden("mnist_cnn.summary.txt"));
}

TEST(SummaryTest, EveryLayerLooksAsInKeras) {
  EXPECT_EQ(all_layers().summary(), read_golden("all_layers.summary.txt"));
}

TEST(SummaryTest, WhatIsNoChainTellsItsConnectionsAsInKeras) {
  EXPECT_EQ(residual().summary(), read_golden("residual.summary.txt"));
  EXPECT_EQ(two_heads().summary(), read_golden("two_heads.summary.txt"));
  const Model nested = Model::from_json(read_golden("nested.keras3.json"));
  EXPECT_EQ(nested.summary(), read_golden("nested.summary.txt"));
}

TEST(SummaryTest, AChainOfCallsTellsItsInputAndNoConnections) {
  const Input x({4}, {.name = "x"});
  const Model model(x, Dense({.units = 3})(Dense({.units = 2})(x)));
  EXPECT_THAT(model.summary(),
              ::testing::HasSubstr("│ x (InputLayer)                  │ (None, 4)"));
  EXPECT_THAT(model.summary(), ::testing::Not(::testing::HasSubstr("Connected to")));
}

TEST(SummaryTest, LongNamesAreWrappedAndShortenedAsInKeras) {
  Sequential model("long_names");
  model.add(Input({28, 28, 1}));
  model.add(Dense({.units = 3, .name = "exactly_twenty_three_ch"}));
  model.add(Dense({.units = 3, .name = "exactly_twenty_four_chrs"}));
  model.add(AnOwnLayerWithAVeryLongClassName("short"));
  model.add(AnOwnLayerWithAVeryLongClassName("also_the_name_of_a_layer_may_be_long"));
  model.add(Conv2D({.filters = 100000,
                    .kernel_size = 3,
                    .padding = "same",
                    .name = "a name with blanks in it is wrapped"}));
  EXPECT_EQ(model.summary(), read_golden("long_names.summary.txt"));
}

TEST(SummaryTest, ANameCannotMoveTheCursor) {
  Sequential model("a\x1b[31m");
  model.add(Input({4}));
  model.add(Dense({.units = 2, .name = "line\nbreak"}));
  EXPECT_THAT(model.summary(), ::testing::HasSubstr("Model: \"a?[31m\""));
  EXPECT_THAT(model.summary(), ::testing::HasSubstr("line?break (Dense)"));
}

TEST(SummaryTest, AModelWithoutInputLooksAsInKeras) {
  Sequential model("unbuilt");
  model.add(Dense({.units = 3}));
  EXPECT_EQ(model.summary(), read_golden("unbuilt.summary.txt"));
}

TEST(SummaryTest, NamesOutsideAsciiKeepTheColumnsStraight) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 1, .name = "größe"}));
  EXPECT_NE(model.summary().find("│ größe (Dense)                   │ (None, 1)"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::nn
