// One layer's JSON at a time; whole files and the common mistakes are keras_reader_test.cc's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/keras_json.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

std::unique_ptr<Layer> dense(const std::string& more) {
  return read_layer(
      Json::parse(R"({"class_name": "Dense", "config": {"name": "d", "units": 2)" + more + "}}"));
}

TEST(BatchShapeTest, TheBatchMayBeAnythingTheRestIsNumbers) {
  const auto read = [](const char* json) { return read_batch_shape(Json::parse(json)); };
  EXPECT_EQ(read("[null, 28, 1]"), Shape({28, 1}));
  EXPECT_EQ(read("[32, 28, 1]"), Shape({28, 1}));
  EXPECT_EQ(read("[null]"), Shape());
  for (const char* json : {"[]", "28", "null", "{}", "[null, 0]", "[null, -1]", "[null, 2.5]",
                           "[null, \"3\"]", "[null, [3]]", "[null, true]"}) {
    EXPECT_THROW(read(json), std::invalid_argument) << json;
  }
}

TEST(KerasLayerReaderTest, LongValuesAreCutInMessages) {
  std::string list = "[\"x\"";
  for (int i = 0; i < 1000; ++i) list += ",1";
  const std::string message = message_of([&] { dense(", \"future\": " + list + "]"); });
  EXPECT_THAT(message, StartsWith("Dense \"d\": future = [\"x\",1,1,"));
  EXPECT_THAT(message, HasSubstr("...: Sluice does not have this"));
  EXPECT_THAT(message, SizeIs(testing::Lt(200u)));
}

TEST(KerasLayerReaderTest, Float32IsReadInEveryFormThatKerasGivesIt) {
  for (const char* dtype :
       {"\"float32\"", "null",
        R"({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}})"}) {
    EXPECT_NO_THROW(dense(std::string(", \"dtype\": ") + dtype)) << dtype;
  }
}

TEST(KerasLayerReaderTest, WholeNumbersStandForRealOnes) {
  const auto layer =
      read_layer(Json::parse(R"({"class_name": "Dropout", "config": {"name": "o", "rate": 0}})"));
  EXPECT_EQ(layer->config().get_double("rate", 1), 0);
}

TEST(KerasLayerReaderTest, SwitchedOffIsTakenOverWhereTheLayerHasIt) {
  EXPECT_EQ(dense(", \"use_bias\": false")->weights({3}).size(), 1u);
  EXPECT_EQ(dense(", \"use_bias\": true")->weights({3}).size(), 2u);
  EXPECT_EQ(dense(", \"use_bias\": null")->weights({3}).size(), 2u);
}

TEST(KerasLayerReaderTest, InitializersThatOnlyLookLikeOursAreRefused) {
  const auto refused = [](const std::string& initializer) {
    return message_of([&] { dense(", \"kernel_initializer\": " + initializer); });
  };
  for (const char* json : {R"({"class_name": "Sparse", "config": {}})", R"({"config": {}})", "3",
                           R"({"class_name": "Constant", "config": {"value": [[1.0]]}})"}) {
    EXPECT_THAT(refused(json), HasSubstr("initializers are glorot_uniform")) << json;
  }
  EXPECT_THAT(refused(R"({"class_name": "RandomNormal", "config": {"std": 1}})"),
              HasSubstr("has no \"std\"; it takes mean stddev"));
  EXPECT_THAT(refused(R"({"class_name": "GlorotUniform", "config": {"input_axes": [0]}})"),
              HasSubstr("Sluice does not have input_axes"));
}

TEST(KerasLayerReaderTest, ArgumentsOfInitializersAreKept) {
  const auto read_back = [](const std::string& initializer) {
    const auto layer = dense(", \"kernel_initializer\": " + initializer);
    const auto again = read_layer(write_layer(*layer));
    EXPECT_EQ(again->config(), layer->config());
    return again->weights({3})[0].initializer;
  };
  EXPECT_EQ(read_back(R"({"class_name": "RandomNormal",
                          "config": {"mean": 0.0, "stddev": 0.01, "seed": 7}})"),
            Initializer("random_normal", {{"stddev", 0.01}}));
  EXPECT_EQ(read_back(R"({"class_name": "RandomUniform", "config": {"minval": -1, "maxval": 2}})"),
            Initializer("random_uniform", {{"minval", -1.0}, {"maxval", 2.0}}));
  EXPECT_EQ(read_back(R"({"class_name": "Constant", "config": {"value": 3}})"),
            Initializer("constant", {{"value", 3.0}}));
  EXPECT_EQ(
      read_back(R"({"class_name": "VarianceScaling", "config": {"scale": 3.0,
                          "mode": "fan_out", "distribution": "untruncated_normal",
                          "input_axes": null}})"),
      Initializer("variance_scaling",
                  {{"scale", 3.0}, {"mode", "fan_out"}, {"distribution", "untruncated_normal"}}));
  EXPECT_EQ(read_back(R"({"class_name": "Orthogonal", "config": {"gain": 2}})"),
            Initializer("orthogonal", {{"gain", 2.0}}));
  EXPECT_EQ(read_back("\"identity\""), "identity");
  EXPECT_EQ(read_back("\"uniform\""), "random_uniform");
}

TEST(KerasLayerReaderTest, InitializersAreWrittenWithAllOfTheirArguments) {
  const auto written = [](const Initializer& initializer) {
    const Dense layer({.units = 1, .kernel_initializer = initializer});
    return write_layer(layer)["config"]["kernel_initializer"];
  };
  EXPECT_EQ(written({"random_normal", {{"stddev", 0.5}}}),
            Json::parse(R"({"module": "keras.initializers", "class_name": "RandomNormal",
                "config": {"mean": 0.0, "stddev": 0.5, "seed": null}, "registered_name": null})"));
  EXPECT_EQ(written("zeros")["config"], Json::object());
  EXPECT_EQ(written("he_normal")["config"], Json::parse(R"({"seed": null})"));
}

TEST(KerasLayerReaderTest, TheNameIsKeptAndMayBeAbsent) {
  EXPECT_EQ(dense("")->name(), "d");
  EXPECT_EQ(read_layer(Json::parse(R"({"class_name": "Flatten", "config": {}})"))->name(), "");
}

}  // namespace
}  // namespace sluice::nn
