#include "optim/optimizer_json.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/support/optimizers.h"

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
  for (const OptimizerSpec& spec : every_setting()) {
    OptimizerSpec back;
    from_json(Json::parse(Json(spec).dump()), back);
    EXPECT_EQ(back, spec) << Json(spec).dump();
  }
}

TEST(OptimizerJsonTest, WritesWhatTheOptimizerUsesInTheShortestDecimals) {
  EXPECT_EQ(Json(OptimizerSpec("sgd")).dump(),
            R"({"class_name":"SGD","config":{"learning_rate":0.01,"momentum":0.0,)"
            R"("nesterov":false}})");
  EXPECT_EQ(Json(AdamW({.weight_decay = 0, .clipnorm = 0.1f}))["config"].dump(),
            R"({"learning_rate":0.001,"beta_1":0.9,"beta_2":0.999,"epsilon":1e-07,)"
            R"("amsgrad":false,"weight_decay":0.0,"clipnorm":0.1})");
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
              "optimizer \"adam\": \"" + field +
                  "\" must be left out: Sluice trains without it, got " + value);
  };
  refused("decay", "1e-06");
  refused("is_legacy_optimizer", "true");
  refused("gradient_accumulation_steps", "4");
  EXPECT_THAT(message_of(R"({"class_name": "Lars", "config": {}})"),
              testing::HasSubstr("use \"sgd\""));
  EXPECT_EQ(message_of(R"({"class_name": "Adam", "config": 7})"),
            "optimizer: \"config\" must be an object");
  EXPECT_THAT(message_of(R"({"class_name": 7})"), testing::HasSubstr("expected a name"));
}

TEST(OptimizerJsonTest, AFieldThatThereIsNotListsThoseThatThereAre) {
  EXPECT_EQ(message_of(R"({"name": "adam", "lr": 0.01})"),
            "optimizer \"adam\" has no argument \"lr\": use \"learning_rate\", \"beta_1\", "
            "\"beta_2\", \"epsilon\", \"amsgrad\", \"weight_decay\", "
            "\"exclude_from_weight_decay\", \"clipnorm\", "
            "\"global_clipnorm\", \"clipvalue\", \"use_ema\", \"ema_momentum\" or "
            "\"ema_overwrite_frequency\"");
}

TEST(OptimizerJsonTest, MistakesAreNamed) {
  EXPECT_THAT(message_of(R"({"learning_rate": 1})"), testing::HasSubstr("\"name\""));
  EXPECT_THAT(message_of(R"({"name": "sgd", "beta_1": 1})"), testing::HasSubstr("\"beta_1\""));
  EXPECT_THAT(message_of(R"({"name": "sgd", "momentum": "a lot"})"),
              testing::HasSubstr("\"momentum\" must be a number"));
  EXPECT_EQ(message_of(R"({"name": "sgd", "learning_rate": 1e39})"),
            "optimizer \"sgd\": \"learning_rate\" must be a number that fits into float32 (3.4e38 "
            "at most), got 1e+39");
  EXPECT_THAT(message_of(R"({"name": "sgd", "nesterov": 1})"),
              testing::HasSubstr("must be true or false"));
  EXPECT_THAT(message_of(R"({"name": "sgd", "ema_overwrite_frequency": 1.5})"),
              testing::HasSubstr("must be a whole number"));
  const auto of_schedule = [](const std::string& json) {
    return message_of(R"({"name": "sgd", "learning_rate": )" + json + "}");
  };
  EXPECT_EQ(of_schedule(R"("fast")"),
            "optimizer \"sgd\": \"learning_rate\" must be a number or a schedule, got \"fast\"");
  EXPECT_EQ(of_schedule(R"({"class_name": "Decay"})"),
            "learning rate schedule \"Decay\": use ExponentialDecay, InverseTimeDecay, "
            "PolynomialDecay, PiecewiseConstantDecay, CosineDecay or CosineDecayRestarts");
  EXPECT_THAT(of_schedule(R"({"class_name": "CosineDecay", "config": {"steps": 3}})"),
              testing::HasSubstr("CosineDecay has no argument \"steps\": use"));
  EXPECT_THAT(of_schedule(R"({"class_name": "CosineDecay", "config": {"alpha": "x"}})"),
              testing::HasSubstr("\"alpha\" must be a number"));
  EXPECT_THAT(of_schedule(R"({"class_name": "CosineDecay", "config": 3})"),
              testing::HasSubstr("must be an object"));
  EXPECT_THAT(of_schedule(R"({"class_name": "PiecewiseConstantDecay",
                              "config": {"values": [1, "x"]}})"),
              testing::HasSubstr("must be a list of numbers"));
  EXPECT_THAT(message_of("7"), testing::HasSubstr("expected a name or an object"));
}

}  // namespace
}  // namespace sluice
