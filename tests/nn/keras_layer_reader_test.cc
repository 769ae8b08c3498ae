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
  for (const char* json :
       {R"({"class_name": "VarianceScaling", "config": {"scale": 3.0, "mode": "fan_in",
            "distribution": "uniform"}})",
        R"({"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_out",
            "distribution": "uniform"}})",
        R"({"class_name": "RandomNormal", "config": {}})", R"({"config": {}})", "3"}) {
    EXPECT_THAT(refused(json), HasSubstr("initializers are glorot_uniform")) << json;
  }
}

TEST(KerasLayerReaderTest, TheNameIsKeptAndMayBeAbsent) {
  EXPECT_EQ(dense("")->name(), "d");
  EXPECT_EQ(read_layer(Json::parse(R"({"class_name": "Flatten", "config": {}})"))->name(), "");
}

}  // namespace
}  // namespace sluice::nn
