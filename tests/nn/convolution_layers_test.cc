// What the convolution layers refuse, the shapes that they give and the weights that they ask for;
// the numbers are golden_test.cc's of tests/keras.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/initializers.h"
#include "nn/keras_json.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using testing::ElementsAre;
using testing::EndsWith;

std::vector<std::string> texts_of(const Layer& layer, const Shape& input) {
  std::vector<std::string> texts;
  for (const WeightSpec& weight : layer.weights(input)) {
    texts.push_back(weight.name + " " + weight.shape.to_string());
  }
  return texts;
}

TEST(ConvolutionLayersTest, DilationWidensTheWindows) {
  EXPECT_EQ(
      Conv2D({.filters = 3, .kernel_size = 3, .dilation_rate = {2, 3}}).output_shape({9, 9, 1}),
      Shape({5, 3, 3}));
  EXPECT_EQ(message_of<ShapeError>([] {
              Conv2D({.filters = 3, .kernel_size = 3, .dilation_rate = 5, .name = "wide"})
                  .output_shape({9, 9, 1});
            }),
            "Conv2D \"wide\": expected an image of at least 11 x 11 (use padding \"same\" or a "
            "smaller window), got [9, 9, 1]");
}

TEST(ConvolutionLayersTest, GroupsMustDivideFiltersAndChannels) {
  const Conv2D conv({.filters = 6, .kernel_size = 3, .groups = 3, .name = "thirds"});
  EXPECT_THAT(texts_of(conv, {5, 5, 12}), ElementsAre("kernel [3, 3, 4, 6]", "bias [6]"));
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv.output_shape({5, 5, 8});
            }),
            "Conv2D \"thirds\": expected channels that go into 3 groups, got [5, 5, 8]");
  EXPECT_EQ(message_of([] { Conv2D({.filters = 4, .kernel_size = 3, .groups = 3}); }),
            "Conv2D: groups = 3: must divide the filters, 4");
  EXPECT_EQ(message_of([] { Conv1D({.filters = 4, .kernel_size = 3, .groups = 0}); }),
            "Conv1D: groups = 0: must be at least 1");
}

TEST(ConvolutionLayersTest, StridesAndDilationExcludeEachOther) {
  const std::string why = "strides or dilation_rate above 1, not both";
  EXPECT_EQ(message_of([] {
              Conv2D({.filters = 1, .kernel_size = 3, .strides = {1, 2}, .dilation_rate = {2, 1}});
            }),
            "Conv2D: " + why);
  EXPECT_EQ(message_of([] {
              SeparableConv1D({.filters = 1, .kernel_size = 3, .strides = 2, .dilation_rate = 2});
            }),
            "SeparableConv1D: " + why);
}

TEST(ConvolutionLayersTest, WeightsAreKeras) {
  EXPECT_THAT(texts_of(DepthwiseConv2D({.kernel_size = {2, 3}, .depth_multiplier = 4}), {5, 5, 2}),
              ElementsAre("kernel [2, 3, 2, 4]", "bias [8]"));
  EXPECT_THAT(
      texts_of(SeparableConv2D({.filters = 5, .kernel_size = {2, 3}, .depth_multiplier = 4}),
               {5, 5, 2}),
      ElementsAre("depthwise_kernel [2, 3, 2, 4]", "pointwise_kernel [1, 1, 8, 5]", "bias [5]"));
  EXPECT_THAT(texts_of(Conv2DTranspose({.filters = 5, .kernel_size = {2, 3}}), {5, 5, 2}),
              ElementsAre("kernel [2, 3, 5, 2]", "bias [5]"));
  EXPECT_THAT(
      texts_of(SeparableConv1D({.filters = 5, .kernel_size = 3, .use_bias = false}), {5, 2}),
      ElementsAre("depthwise_kernel [3, 2, 1]", "pointwise_kernel [1, 2, 5]"));
  // Keras counts a depthwise kernel's inputs as if each output saw all of them.
  const Fans fans = compute_fans(DepthwiseConv2D({.kernel_size = 3}).weights({5, 5, 2})[0].shape);
  EXPECT_EQ(fans.in, 18);
  EXPECT_EQ(fans.out, 9);
}

TEST(ConvolutionLayersTest, TransposedOutputsAreKeras) {
  const auto size = [](int64_t kernel, int64_t stride, const char* padding,
                       std::optional<int64_t> more = {}) {
    return Conv1DTranspose({.filters = 1,
                            .kernel_size = kernel,
                            .strides = stride,
                            .padding = padding,
                            .output_padding = more})
        .output_shape({4, 1})[0];
  };
  EXPECT_EQ(size(3, 2, "valid"), 9);
  EXPECT_EQ(size(1, 3, "valid"), 12);  // as if the kernel were as wide as the strides
  EXPECT_EQ(size(3, 2, "valid", 1), 10);
  EXPECT_EQ(size(3, 2, "same"), 8);
  EXPECT_EQ(size(3, 2, "same", 0), 7);
  EXPECT_EQ(size(4, 3, "same", 2), 11);
  EXPECT_EQ(message_of([&] { size(3, 2, "same", 2); }),
            "Conv1DTranspose: output_padding = 2: must be at least 0 and less than the strides");
  EXPECT_EQ(message_of([] {
              Conv2DTranspose(
                  {.filters = 1, .kernel_size = 3, .strides = 2, .output_padding = Size2D(1, -1)});
            }),
            "Conv2DTranspose: output_padding = 1 x -1: must be at least 0 and less than the "
            "strides");
}

TEST(ConvolutionLayersTest, SequencesHaveOneAxisLess) {
  Conv1D conv({.filters = 8, .kernel_size = 4, .name = "ears"});
  EXPECT_EQ(conv.output_shape({10, 2}), Shape({7, 8}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv.output_shape({28, 28, 1});
            }),
            "Conv1D \"ears\": expected an input of rank 2, [L, C] (without the batch), got "
            "[28, 28, 1]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv.output_shape({3, 2});
            }),
            "Conv1D \"ears\": expected a sequence of at least 4 (use padding \"same\" or a smaller "
            "window), got [3, 2]");
  EXPECT_EQ(Conv1D({.filters = 8, .kernel_size = 4, .strides = 3, .padding = "causal"})
                .output_shape({10, 2}),
            Shape({4, 8}));
  EXPECT_EQ(message_of([] { Conv1D({.filters = 1, .kernel_size = 3, .padding = "full"}); }),
            "Conv1D: padding = \"full\": use \"valid\", \"same\" or \"causal\"");
  EXPECT_EQ(message_of([] { DepthwiseConv1D({.kernel_size = 3, .padding = "causal"}); }),
            "DepthwiseConv1D: padding = \"causal\": use \"valid\" or \"same\"");
  EXPECT_EQ(MaxPooling1D({.pool_size = 3}).output_shape({10, 2}), Shape({3, 2}));
  EXPECT_EQ(GlobalMaxPooling1D().output_shape({10, 2}), Shape({2}));
  EXPECT_EQ(GlobalMaxPooling1D({.keepdims = true}).output_shape({10, 2}), Shape({1, 2}));
  EXPECT_EQ(GlobalAveragePooling2D({.keepdims = true}).output_shape({4, 4, 2}), Shape({1, 1, 2}));
  EXPECT_THROW(GlobalAveragePooling2D().output_shape({10, 2}), ShapeError);
}

TEST(ConvolutionLayersTest, Keras2sGroupsOfLayersWithoutThemAreOne) {
  const auto read = [](const std::string& groups) {
    return read_layer(nlohmann::ordered_json::parse(
        R"({"class_name": "DepthwiseConv2D", "config": {"name": "d", "kernel_size": [3, 3],
            "groups": )" +
        groups + "}}"));
  };
  EXPECT_EQ(read("1")->config().find("groups"), nullptr);  // Keras 3 would refuse it
  EXPECT_THAT(message_of([&] { read("2"); }),
              EndsWith("\"groups\" is set: Sluice does not have this; remove it"));
}

}  // namespace
}  // namespace sluice::nn
