// Layers that move, pad, repeat and join elements: what they refuse, and the forms of their
// settings. What they compute is compared with Keras (tests/keras).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/keras_json.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

std::string refused(const Layer& layer, const Shape& input) {
  return message_of<ShapeError>([&] { (void)layer.output_shape(input); });
}

std::unique_ptr<Layer> read(const std::string& class_name, const std::string& settings) {
  return read_layer(nlohmann::ordered_json::parse(
      "{\"class_name\": \"" + class_name + "\", \"config\": {\"name\": \"x\", " + settings + "}}"));
}

TEST(ReshapeTest, OneSizeMayBeWhatIsLeft) {
  EXPECT_EQ(Reshape({.target_shape = {3, -1}}).output_shape({4, 6}), Shape({3, 8}));
  EXPECT_EQ(Reshape({.target_shape = {}}).output_shape({1}), Shape());
  EXPECT_EQ(refused(Reshape({.target_shape = {5, -1}, .name = "r"}), {4, 6}),
            "Reshape \"r\": expected an input that fits [5, -1], got [4, 6]");
  EXPECT_EQ(refused(Reshape({.target_shape = {5}, .name = "r"}), {4}),
            "Reshape \"r\": expected an input that fits [5], got [4]");
  const int64_t large = int64_t{1} << 30;
  EXPECT_EQ(refused(Reshape({.target_shape = {large, large, large}, .name = "r"}), {4}),
            "Reshape \"r\": expected an input that fits [1073741824, 1073741824, 1073741824], got "
            "[4]");
  EXPECT_EQ(message_of([] {
              Reshape({.target_shape = {-1, 2, -1}});
            }),
            "Reshape: target_shape = [-1, 2, -1]: only one size may be -1");
  EXPECT_EQ(message_of([] { Reshape({.target_shape = {0}}); }),
            "Reshape: target_shape = 0: must be at least 1");
}

TEST(PermuteTest, EveryAxisComesOnce) {
  EXPECT_EQ(Permute({.dims = {3, 1, 2}}).output_shape({4, 5, 6}), Shape({6, 4, 5}));
  EXPECT_EQ(refused(Permute({.dims = {2, 1}, .name = "p"}), {4}),
            "Permute \"p\": expected an input of rank 2, [T, C] (without the batch), got [4]");
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{}, {0, 1}, {1, 1}, {2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
    EXPECT_THROW(Permute({.dims = dims}), std::invalid_argument);
  }
}

TEST(ConcatenateTest, OnlyTheAxisMayDiffer) {
  const Input a({4, 3}, {.name = "a"}), b({4, 5}, {.name = "b"}), c({4}, {.name = "c"});
  EXPECT_EQ(Concatenate()({a, b}).shape(), Shape({4, 8}));
  EXPECT_EQ(Concatenate({.axis = 2})({a, b}).shape(), Shape({4, 8}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              Concatenate({.axis = 1, .name = "both"})({a, b});
            }),
            "Concatenate \"both\": expected inputs like [4, 3] but along axis 1, got [4, 5]");
  EXPECT_THROW(Concatenate()({a, c}), ShapeError);
  EXPECT_EQ(refused(Concatenate({.axis = 0, .name = "both"}), {4, 3}),
            "Concatenate \"both\": expected axis 0 not to be the batch, got [4, 3]");
  EXPECT_EQ(refused(Concatenate({.axis = 3, .name = "both"}), {4, 3}),
            "Concatenate \"both\": expected an input with an axis 3 (0 is the batch), got [4, 3]");
}

TEST(BordersTest, MayBeGivenInKerasThreeForms) {
  const Shape image{5, 6, 2};
  EXPECT_EQ(ZeroPadding2D({.padding = 1}).output_shape(image), Shape({7, 8, 2}));
  EXPECT_EQ(ZeroPadding2D({.padding = {1, 2}}).output_shape(image), Shape({7, 10, 2}));
  EXPECT_EQ(ZeroPadding2D({.padding = {{1, 2}, {3, 4}}}).output_shape(image), Shape({8, 13, 2}));
  for (const char* form : {"2", "[2, 2]", "[[2, 2], [2, 2]]"}) {
    EXPECT_EQ(read("Cropping2D", std::string("\"cropping\": ") + form)->output_shape(image),
              Shape({1, 2, 2}))
        << form;
  }
  EXPECT_EQ(read("ZeroPadding1D", "\"padding\": 2")->output_shape({5, 2}), Shape({9, 2}));
  EXPECT_EQ(message_of([] { read("Cropping2D", "\"cropping\": [[1, 2], [3]]"); }),
            "Cropping2D \"x\": \"cropping\": must be one or two numbers, or [[top, bottom], [left, "
            "right]]");
  EXPECT_EQ(message_of([] { read("Cropping1D", "\"cropping\": [1, 2, 3]"); }),
            "Cropping1D \"x\": \"cropping\": must be one or two numbers, got [1, 2, 3]");
}

TEST(BordersTest, SomethingMustBeLeft) {
  EXPECT_EQ(refused(Cropping2D({.cropping = {{3, 2}, {0, 0}}, .name = "c"}), {5, 6, 2}),
            "Cropping2D \"c\": expected an input that is not cropped away, got [5, 6, 2]");
  EXPECT_EQ(message_of([] {
              ZeroPadding1D({.padding = {-1, 0}});
            }),
            "ZeroPadding1D: padding = -1: must be from 0 to 2147483647");
  EXPECT_THROW(ZeroPadding2D({.padding = 2147483647}).output_shape({5, 6, 2}), ShapeError);
}

TEST(UpSamplingTest, TakesWholeSizes) {
  EXPECT_EQ(UpSampling2D({.size = {2, 3}}).output_shape({4, 5, 2}), Shape({8, 15, 2}));
  EXPECT_EQ(read("UpSampling2D", "\"size\": 2")->output_shape({4, 5, 2}), Shape({8, 10, 2}));
  EXPECT_EQ(message_of([] { UpSampling2D({.interpolation = "area"}); }),
            "UpSampling2D: interpolation = \"area\": use \"nearest\", \"bilinear\", \"bicubic\", "
            "\"lanczos3\" or \"lanczos5\"");
  EXPECT_EQ(message_of([] { UpSampling1D({.size = 0}); }),
            "UpSampling1D: size = 0: must be at least 1");
  EXPECT_EQ(message_of([] { RepeatVector({}); }), "RepeatVector: n = 0: must be at least 1");
}

TEST(DotTest, LeavesTheOtherAxes) {
  const auto merged = [](std::vector<int64_t> axes, std::vector<Shape> inputs) {
    return Dot({.axes = std::move(axes)}).merged_shape(inputs);
  };
  EXPECT_EQ(merged({1}, {{5}, {5}}), Shape({1}));
  EXPECT_EQ(merged({2, 1}, {{4, 5}, {5, 6, 7}}), Shape({4, 6, 7}));
  EXPECT_EQ(merged({-1}, {{4, 5}, {6, 5}}), Shape({4, 6}));
  const auto refused = [&](std::vector<int64_t> axes, std::vector<Shape> inputs) {
    return message_of([&] { merged(std::move(axes), std::move(inputs)); });
  };
  EXPECT_EQ(refused({1}, {{5}}), "Dot: expected two inputs, got 1");
  EXPECT_EQ(refused({1}, {{5}, {4}}),
            "Dot \"\": expected a second input of size 5 along axis 1, as [5] has, got [4]");
  EXPECT_EQ(refused({0}, {{5}, {5}}), "Dot \"\": expected axis 0 not to be the batch, got [5]");
  EXPECT_EQ(refused({1, 2, 3}, {{5}, {5}}),
            "Dot: axes = [1, 2, 3]: must be one number, or one for each of the two inputs");
}

TEST(MergeTest, MissingAxesAreOnes) {
  const Input image({4, 6, 3}, {.name = "image"}), channels({3}, {.name = "channels"});
  EXPECT_EQ(Add()({channels, image}).shape(), Shape({4, 6, 3}));
  const Input column({4, 1, 1}, {.name = "column"});
  EXPECT_EQ(Multiply()({channels, column}).shape(), Shape({4, 1, 3}));
}

TEST(KerasLayerReaderTest, WhatAllLayersHaveNeedNotBeTakenOver) {
  EXPECT_NO_THROW(read("ZeroPadding1D", "\"data_format\": \"channels_last\""));
  EXPECT_THROW(read("ZeroPadding1D", "\"data_format\": \"channels_first\""), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::nn
