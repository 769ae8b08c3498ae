#include "loss/loss_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

LossSpec read(const char* text) { return Json::parse(text).get<LossSpec>(); }

std::string objection_to(const char* text) {
  try {
    read(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(LossJsonTest, DefaultsAreTheNameAlone) {
  EXPECT_EQ(Json(LossSpec("mse")).dump(), R"("mean_squared_error")");
  EXPECT_EQ(Json(LossSpec(Huber{})).dump(), R"("huber")");
}

TEST(LossJsonTest, OptionsAreWrittenAsKerasDoes) {
  EXPECT_EQ(Json(LossSpec(CategoricalCrossentropy({.label_smoothing = 0.1f}))).dump(),
            R"({"class_name":"CategoricalCrossentropy",)"
            R"("config":{"from_logits":false,"label_smoothing":0.1}})");
  EXPECT_EQ(Json(LossSpec(SparseCategoricalCrossentropy({.from_logits = true}))).dump(),
            R"({"class_name":"SparseCategoricalCrossentropy",)"
            R"("config":{"from_logits":true,"ignore_class":null}})");
  EXPECT_EQ(Json(LossSpec(Tversky({.alpha = 0.25f}))).dump(),
            R"({"class_name":"Tversky","config":{"alpha":0.25,"beta":0.5,"axis":null}})");
  EXPECT_EQ(Json(LossSpec(Dice({.axis = {1, 2}}))).dump(),
            R"({"class_name":"Dice","config":{"axis":[1,2]}})");
}

TEST(LossJsonTest, WhatIsWrittenIsReadBack) {
  for (const LossSpec& spec : std::initializer_list<LossSpec>{
           "mse", Huber({.delta = 2.5f}), SparseCategoricalCrossentropy({.ignore_class = 255}),
           Dice({.axis = {1, 2, 3}}), Tversky({.alpha = 0.3f, .axis = {-1}}),
           Circle({.gamma = 10, .margin = 0.25f, .remove_diagonal = false}),
           CategoricalGeneralizedCrossEntropy({.q = 0.7f}),
           BinaryFocalCrossentropy({.apply_class_balancing = true,
           .alpha = 0.3f,
           .gamma = 1,
           .from_logits = true,
           .label_smoothing = 0.2f})}) {
    EXPECT_EQ(Json(spec).get<LossSpec>(), spec) << Json(spec);
  }
}

TEST(LossJsonTest, ReadsKerasOwnObjects) {
  // What keras.losses.serialize() of Keras 3 gives.
  EXPECT_EQ(read(R"({"module": "keras.losses", "class_name": "BinaryCrossentropy",
                     "config": {"name": "binary_crossentropy", "reduction": "sum_over_batch_size",
                                "from_logits": true, "label_smoothing": 0.1, "axis": -1},
                     "registered_name": null})"),
            BinaryCrossentropy({.from_logits = true, .label_smoothing = 0.1f}));
  EXPECT_EQ(read(R"({"module": "keras.losses", "class_name": "Tversky",
                     "config": {"name": "tversky", "reduction": "sum_over_batch_size",
                                "alpha": 0.5, "beta": 0.5, "axis": -1}, "registered_name": null})"),
            Tversky({.axis = {-1}}));
  EXPECT_EQ(read(R"({"class_name": "Dice", "config": {"name": "dice", "axis": null}})"), Dice{});
  EXPECT_EQ(read(R"({"class_name": "Huber", "config": {"delta": 2.0, "dtype": {
                     "module": "keras", "class_name": "DTypePolicy",
                     "config": {"name": "float32"}, "registered_name": null}}})"),
            Huber({.delta = 2}));
  // Keras 2.
  EXPECT_EQ(read(R"({"class_name": "Huber", "config":
                     {"reduction": "auto", "name": "huber_loss", "delta": 2}})"),
            Huber({.delta = 2}));
  EXPECT_EQ(read(R"({"name": "huber", "delta": 3})"), Huber({.delta = 3}));
  EXPECT_EQ(read(R"("KLDivergence")"), KLDivergence{});
}

TEST(LossJsonTest, RefusesWhatItDoesNotHave) {
  EXPECT_EQ(objection_to(R"({"name": "huber", "gamma": 1})"),
            "loss \"huber\" has no argument \"gamma\": use \"delta\"");
  EXPECT_EQ(objection_to(R"({"name": "mse", "delta": 1})"),
            "loss \"mean_squared_error\" has no argument \"delta\": leave it out");
  EXPECT_THAT(
      objection_to(R"({"class_name": "Huber", "config": {"reduction": "sum"}})"),
      HasSubstr("\"reduction\" must be left out: Sluice has only Keras' default, got \"sum\""));
  EXPECT_THAT(objection_to(R"({"class_name": "CosineSimilarity", "config": {"axis": 1}})"),
              HasSubstr("\"axis\" must be left out"));
  for (const char* dtype : {R"("float64")", R"({"class_name": "DTypePolicy",
                              "config": {"name": "float16"}})"}) {
    EXPECT_THAT(objection_to((R"({"name": "mse", "dtype": )" + std::string(dtype) + "}").c_str()),
                HasSubstr("\"dtype\" must be left out"));
  }
  for (const char* axis : {"1.5", "[]", "[1, null]", "\"1\"", "[0,1,2,3,4,5,6,7,8]"}) {
    EXPECT_THAT(objection_to((R"({"name": "dice", "axis": )" + std::string(axis) + "}").c_str()),
                HasSubstr("\"axis\" must be the number of an axis, a list of such, or null"));
  }
  EXPECT_EQ(objection_to(R"({"name": "huber", "delta": "1"})"),
            "loss \"huber\": \"delta\" must be a number, got \"1\"");
  EXPECT_THAT(objection_to(R"({"name": "huber", "delta": 1e300})"), HasSubstr("fits into float32"));
  EXPECT_THAT(objection_to(R"({"name": "huber", "delta": -1})"), HasSubstr("delta = -1: must be"));
  EXPECT_THAT(objection_to(R"({"name": "bce", "from_logits": 1})"),
              HasSubstr("must be true or false"));
  EXPECT_THAT(objection_to(R"({"name": "sparse_categorical_crossentropy", "ignore_class": 1.5})"),
              HasSubstr("must be a class number or null"));
  EXPECT_THAT(objection_to("3"), HasSubstr("expected a name or an object"));
  EXPECT_THAT(objection_to(R"({"class_name": "Huber", "config": 1})"),
              HasSubstr("\"config\" must be an object"));
}

}  // namespace
}  // namespace sluice
