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
