// Rescaling, Normalization, Embedding and the layers of noise: what they refuse. What they compute
// is compared with Keras (tests/keras), what they draw by its moments
// (tests/backend/noise_test.cc).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/keras_json.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using nlohmann::ordered_json;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Layer> read(const std::string& class_name, const std::string& settings) {
  return read_layer(ordered_json::parse("{\"class_name\": \"" + class_name +
                                        "\", \"config\": {\"name\": \"x\", " + settings + "}}"));
}

TEST(RescalingTest, NumbersAreOneOrOneForEachFeature) {
  const Rescaling layer({.scale = {1, 2, 3}, .offset = 1, .name = "r"});
  EXPECT_EQ(layer.output_shape({5, 3}), Shape({5, 3}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              (void)layer.output_shape({3, 5});
            }),
            "Rescaling \"r\": expected an input of 3 features on its last axis, got [3, 5]");
  EXPECT_EQ(message_of([] { Rescaling({.offset = 1}); }),
            "Rescaling: scale: missing; it has no default");
  EXPECT_EQ(message_of([] { Rescaling({.scale = INFINITY}); }),
            "Rescaling: scale = inf: must be a finite number");
  EXPECT_EQ(write_layer(*read("Rescaling", "\"scale\": [1, 2], \"offset\": 0"))["config"]["scale"],
            ordered_json({1.0, 2.0}));
}

TEST(NormalizationTest, AdaptFindsMeanAndVariance) {
  Normalization layer({.name = "n"});
  EXPECT_EQ(layer.weights({2}).size(), 3u);  // until then they are weights
  const std::vector<float> x{1, 10, 3, 10, 5, 16};
  layer.adapt(x, 2);
  EXPECT_THAT(layer.mean().values, ElementsAre(DoubleNear(3, 1e-6), DoubleNear(12, 1e-6)));
  EXPECT_THAT(layer.variance().values, ElementsAre(DoubleNear(8.0 / 3, 1e-6), DoubleNear(8, 1e-6)));
  EXPECT_TRUE(layer.weights({2}).empty());
  EXPECT_EQ(layer.name(), "n");
  EXPECT_EQ(layer.output_shape({7, 2}), Shape({7, 2}));
  EXPECT_THROW((void)layer.output_shape({3}), ShapeError);
  Normalization all({.axis = {}});
  all.adapt(x, 2);
  EXPECT_THAT(all.mean().values, ElementsAre(DoubleNear(7.5, 1e-6)));
  EXPECT_EQ(message_of([&] { layer.adapt(x, 4); }),
            "Normalization: adapt(): 6 numbers are no rows of 4");
}

TEST(NormalizationTest, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(message_of([] { Normalization({.mean = 1}); }),
            "Normalization: mean and variance: give both or none");
  EXPECT_EQ(message_of([] { Normalization({.mean = 1, .variance = -1}); }),
            "Normalization: variance = -1: must be at least 0");
  const Normalization first({.axis = {1}, .mean = 1, .variance = 1, .name = "n"});
  EXPECT_EQ(first.output_shape({4}), Shape({4}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              (void)first.output_shape({4, 3});
            }),
            "Normalization \"n\": expected axis -1, the last, or none, got [4, 3]");
}

TEST(EmbeddingTest, TakesKeras2sInputLengthAndNoMasks) {
  const auto layer = read("Embedding", "\"input_dim\": 9, \"output_dim\": 4, \"input_length\": 3");
  EXPECT_EQ(layer->output_shape({3}), Shape({3, 4}));
  EXPECT_EQ(layer->weights({3})[0].shape, Shape({9, 4}));
  EXPECT_THAT(message_of([] {
                read("Embedding", "\"input_dim\": 9, \"output_dim\": 4, \"mask_zero\": true");
              }),
              HasSubstr("Sluice has no masks"));
  EXPECT_EQ(message_of([] { Embedding({.output_dim = 4}); }),
            "Embedding: input_dim = 0: must be at least 1");
  EXPECT_EQ(message_of([] { Embedding({.input_dim = 1 << 25, .output_dim = 4}); }),
            "Embedding: input_dim = 33554432: must be at most 16777216");
}

TEST(DropoutTest, ANoiseShapeFitsTheInput) {
  const Dropout layer({.rate = 0.5, .noise_shape = {0, 1, 4}, .name = "d"});
  EXPECT_EQ(layer.output_shape({3, 4}), Shape({3, 4}));
  for (const Shape& shape : {Shape{3, 5}, Shape{4}}) {
    EXPECT_THAT(message_of<ShapeError>([&] { (void)layer.output_shape(shape); }),
                HasSubstr("noise_shape [0, 1, 4]"));
  }
  EXPECT_THROW((void)Dropout({.rate = 0.5, .noise_shape = {32, 1, 4}}).output_shape({3, 4}),
               ShapeError);
  const auto read_back = read("Dropout", "\"rate\": 0.5, \"noise_shape\": [null, 1, 4]");
  EXPECT_EQ(write_layer(*read_back)["config"]["noise_shape"], ordered_json({nullptr, 1, 4}));
}

TEST(NoiseTest, StrengthsAreChecked) {
  EXPECT_EQ(message_of([] { GaussianNoise({}); }),
            "GaussianNoise: stddev: missing; it has no default");
  EXPECT_EQ(message_of([] { GaussianNoise({.stddev = -1}); }),
            "GaussianNoise: stddev = -1: must be at least 0 and finite");
  EXPECT_EQ(message_of([] { GaussianDropout({.rate = 1}); }),
            "GaussianDropout: rate = 1: must be at least 0 and less than 1");
  EXPECT_EQ(message_of([] { AlphaDropout({}); }), "AlphaDropout: rate: missing; it has no default");
  EXPECT_THROW(SpatialDropout2D({.rate = 0.1}).output_shape({3, 4}), ShapeError);
  EXPECT_THROW(SpatialDropout1D({.rate = 0.1}).output_shape({3, 4, 5}), ShapeError);
}

}  // namespace
}  // namespace sluice::nn
