#include "optim/optimizer_json.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

std::string message_of(const std::string& json) {
  OptimizerSpec spec;
  try {
    from_json(Json::parse(json), spec);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(OptimizerJsonTest, EveryOptimizerSurvivesTheWay) {
  for (const OptimizerSpec& spec :
       {SGD({.learning_rate = 0.3f, .momentum = 0.9f, .nesterov = true}),
        RMSprop({.rho = 0.7f, .epsilon = 1e-5f, .centered = true}),
        Adagrad({.initial_accumulator_value = 0.25f}), Adam({.beta_1 = 0.8f, .epsilon = 1e-8f})}) {
    OptimizerSpec back;
    from_json(Json::parse(Json(spec).dump()), back);
    EXPECT_EQ(back, spec) << Json(spec).dump();
  }
}

TEST(OptimizerJsonTest, WritesWhatTheOptimizerUsesInTheShortestDecimals) {
  EXPECT_EQ(Json(OptimizerSpec("sgd")).dump(),
            R"({"name":"sgd","learning_rate":0.01,"momentum":0.0,"nesterov":false})");
}

TEST(OptimizerJsonTest, AbsentFieldsTakeTheDefaults) {
  OptimizerSpec spec;
  from_json(Json::parse(R"({"name": "adam", "beta_2": 0.99})"), spec);
  EXPECT_EQ(spec, Adam({.beta_2 = 0.99f}));
}

TEST(OptimizerJsonTest, ReadsTheObjectsOfKeras) {
  const auto read = [](const char* json) {
    OptimizerSpec spec;
    from_json(Json::parse(json), spec);
    return spec;
  };
  // keras.optimizers.serialize() of Keras 3.
  EXPECT_EQ(read(R"({"module": "keras.optimizers", "class_name": "Adam", "config": {
                     "name": "adam", "learning_rate": 0.009999999776482582, "weight_decay": null,
                     "clipnorm": null, "global_clipnorm": null, "clipvalue": null, "use_ema": false,
                     "ema_momentum": 0.99, "ema_overwrite_frequency": null,
                     "loss_scale_factor": null, "gradient_accumulation_steps": null,
                     "beta_1": 0.8, "beta_2": 0.999, "epsilon": 1e-07, "amsgrad": false},
                     "registered_name": null})"),
            Adam({.learning_rate = 0.01f, .beta_1 = 0.8f}));
  // Of Keras 2.11 and later, and of those before.
  EXPECT_EQ(read(R"({"class_name": "SGD", "config": {"name": "SGD", "jit_compile": true,
                     "is_legacy_optimizer": false, "momentum": 0.9, "nesterov": true}})"),
            SGD({.momentum = 0.9f, .nesterov = true}));
  EXPECT_EQ(read(R"({"class_name": "RMSprop", "config": {"decay": 0.0, "centered": true}})"),
            RMSprop({.centered = true}));
  EXPECT_EQ(read(R"({"class_name": "Adagrad"})"), Adagrad());
}

TEST(OptimizerJsonTest, WhatWouldChangeATrainingOfKerasIsRefusedByName) {
  const auto refused = [](const std::string& field, const std::string& value) {
    const std::string config = "{\"" + field + "\": " + value + "}";
    EXPECT_EQ(message_of(R"({"class_name": "Adam", "config": )" + config + "}"),
              "optimizer \"adam\": Sluice trains without \"" + field + "\", but it is " + value +
                  ": leave it out");
  };
  refused("weight_decay", "0.004");
  refused("clipnorm", "1.0");
  refused("global_clipnorm", "1.0");
  refused("clipvalue", "0.5");
  refused("use_ema", "true");
  refused("amsgrad", "true");
  refused("decay", "1e-06");
  refused("is_legacy_optimizer", "true");
  refused("gradient_accumulation_steps", "4");
  EXPECT_THAT(message_of(R"({"class_name": "Adam", "config": {
                             "learning_rate": {"class_name": "ExponentialDecay", "config": {}}}})"),
              testing::HasSubstr("\"learning_rate\" must be a number"));
  EXPECT_THAT(message_of(R"({"class_name": "AdamW", "config": {}})"),
              testing::HasSubstr("use \"sgd\""));
  EXPECT_EQ(message_of(R"({"class_name": "Adam", "config": 7})"),
            "optimizer: \"config\" must be an object");
  EXPECT_THAT(message_of(R"({"class_name": 7})"), testing::HasSubstr("expected a name"));
}

TEST(OptimizerJsonTest, AFieldThatThereIsNotListsThoseThatThereAre) {
  EXPECT_EQ(message_of(R"({"name": "adam", "lr": 0.01})"),
            "optimizer \"adam\" has no field \"lr\": use \"learning_rate\", \"beta_1\", "
            "\"beta_2\" or \"epsilon\"");
}

TEST(OptimizerJsonTest, MistakesAreNamed) {
  EXPECT_THAT(message_of(R"({"learning_rate": 1})"), testing::HasSubstr("\"name\""));
  EXPECT_THAT(message_of(R"({"name": "sgd", "beta_1": 1})"), testing::HasSubstr("\"beta_1\""));
  EXPECT_THAT(message_of(R"({"name": "sgd", "momentum": "a lot"})"),
              testing::HasSubstr("\"momentum\" must be a number"));
  EXPECT_EQ(message_of(R"({"name": "sgd", "learning_rate": 1e39})"),
            "optimizer: \"learning_rate\" = 1e+39 does not fit into float32 (3.4e38 at most)");
  EXPECT_THAT(message_of(R"({"name": "sgd", "nesterov": 1})"),
              testing::HasSubstr("must be true or false"));
  EXPECT_THAT(message_of("7"), testing::HasSubstr("expected a name or an object"));
}

}  // namespace
}  // namespace sluice
