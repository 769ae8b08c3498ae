#include "nn/weight_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "nn/lowering.h"
#include "sluice/sluice.h"

namespace sluice {
namespace {

using testing::HasSubstr;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(WeightRulesTest, TextsHaveEveryArgument) {
  EXPECT_EQ(L1(), "L1(l1=0.01)");
  EXPECT_EQ(L2(0.001f), "L2(l2=0.001)");
  EXPECT_EQ(L1L2({.l2 = 0.5f}), "L1L2(l1=0.0, l2=0.5)");
  EXPECT_EQ(OrthogonalRegularizer({.mode = "columns"}),
            "OrthogonalRegularizer(factor=0.01, mode=columns)");
  EXPECT_EQ(MaxNorm({.axis = {0, 1, 2}}), "MaxNorm(max_value=2.0, axis=[0,1,2])");
  EXPECT_EQ(NonNeg(), "NonNeg()");
  EXPECT_EQ(UnitNorm({.axis = {-1}}), "UnitNorm(axis=-1)");
  EXPECT_EQ(MinMaxNorm({.rate = 0.5f}),
            "MinMaxNorm(min_value=0.0, max_value=1.0, rate=0.5, axis=0)");
}

TEST(WeightRulesTest, LayersTakeAnySpellingOfKeras) {
  const Dense dense({.units = 2,
                     .kernel_regularizer = "l2",
                     .bias_regularizer = "L1L2(l1=0.5)",
                     .kernel_constraint = "max_norm",
                     .bias_constraint = NonNeg()});
  EXPECT_EQ(dense.options().kernel_regularizer, L2());
  EXPECT_EQ(dense.options().bias_regularizer, L1L2({.l1 = 0.5f}));
  EXPECT_EQ(dense.options().kernel_constraint, MaxNorm());
  EXPECT_EQ(dense.options().bias_constraint, NonNeg());
}

TEST(WeightRulesTest, WhatIsWrongIsSaid) {
  const auto regularizer = [](const std::string& text) {
    return message_of([&] { Dense({.units = 2, .kernel_regularizer = text}); });
  };
  EXPECT_EQ(
      regularizer("orthogonal"),
      "Dense: kernel_regularizer = \"orthogonal\": \"orthogonal\" is not known; use L1, L2, L1L2 "
      "or OrthogonalRegularizer");
  EXPECT_THAT(regularizer("orthogonal_regularizer(mode=both)"),
              HasSubstr("mode must be rows or columns"));
  EXPECT_THAT(regularizer("l2(l2=-1)"), HasSubstr("l2 must be finite and at least 0"));
  EXPECT_THAT(regularizer("l2(l1=1)"), HasSubstr("L2 has no \"l1\""));
  EXPECT_THAT(regularizer("non_neg"), HasSubstr("the other kind"));
  EXPECT_THAT(message_of([] {
                Conv2D({.filters = 2, .kernel_size = 3, .bias_constraint = "min_max_norm(rate=2)"});
              }),
              HasSubstr("Conv2D: bias_constraint = \"min_max_norm(rate=2)\": rate must be"));
  const auto axes = [](std::vector<int64_t> axis) {
    return message_of([&] {
      Sequential model;
      model.add(Input({4, 4, 1}));
      model.add(
          Conv2D({.filters = 2, .kernel_size = 3, .kernel_constraint = UnitNorm({.axis = axis})}));
    });
  };
  EXPECT_EQ(axes({2, 0, 1}), "nothing was thrown");
  EXPECT_THAT(axes({4}), HasSubstr("weight \"kernel\": axis 4: a weight [3, 3, 1, 2] has no such"));
  EXPECT_THAT(axes({0, 2}), HasSubstr("axis [0,2]: a weight [3, 3, 1, 2] has no such axes"));
  EXPECT_THAT(axes({-5}), HasSubstr("axis -5"));
}

TEST(WeightRulesTest, TheJsonIsThatOfKerasBothWays) {
  Sequential model;
  model.add(Input({4}));
  model.add(Dense({.units = 2,
                   .kernel_regularizer = L2(0.001f),
                   .kernel_constraint = MaxNorm({.max_value = 3})}));
  const auto json = nlohmann::json::parse(model.to_json());
  const auto& config = json["config"]["layers"].back()["config"];
  EXPECT_EQ(config["kernel_regularizer"].dump(),
            R"({"class_name":"L2","config":{"l2":0.001},"module":"keras.regularizers",)"
            R"("registered_name":null})");
  EXPECT_EQ(config["kernel_constraint"]["module"], "keras.constraints");
  EXPECT_EQ(config["kernel_constraint"]["config"].dump(), R"({"axis":0,"max_value":3.0})");
  EXPECT_TRUE(config["bias_regularizer"].is_null());
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
}

// A weight of shape [2, 3, 4]: groups along the axes around those of the norm.
TEST(WeightRulesTest, ANormIsOverItsAxes) {
  const auto norm = [](std::vector<int64_t> axis) {
    return *nn::weight_rule("who", {.name = "w",
                                    .shape = {2, 3, 4},
                                    .constraint = UnitNorm({.axis = std::move(axis)})})
                .norm;
  };
  const auto first = norm({0});
  EXPECT_EQ(first.count, 2);
  EXPECT_EQ(first.groups(), 12);
  EXPECT_EQ(first.first(5), 5);
  const auto middle = norm({1});
  EXPECT_EQ(middle.outer, 2);
  EXPECT_EQ(middle.count, 3);
  EXPECT_EQ(middle.inner, 4);
  EXPECT_EQ(middle.first(5), 13);  // place 1 of the second twelve
  const auto last = norm({-1, 1});
  EXPECT_EQ(last.outer, 2);
  EXPECT_EQ(last.count, 12);
  EXPECT_EQ(last.first(1), 12);
}

TEST(WeightRulesTest, OrthogonalAreTheRowsOrTheColumnsOfAMatrix) {
  const auto rule = [](const char* mode, Shape shape) {
    return nn::weight_rule("who", {.name = "w",
                                   .shape = std::move(shape),
                                   .regularizer = OrthogonalRegularizer({.mode = mode})});
  };
  const auto rows = *rule("rows", {3, 4}).orthogonality;
  EXPECT_EQ(rows.vectors, 3);
  EXPECT_EQ(rows.vector_stride, 4);
  EXPECT_EQ(rows.stride, 1);
  const auto columns = *rule("columns", {3, 4}).orthogonality;
  EXPECT_EQ(columns.vectors, 4);
  EXPECT_EQ(columns.size, 3);
  EXPECT_EQ(columns.stride, 4);
  EXPECT_EQ(message_of([&] {
              rule("rows", {3, 4, 2});
            }),
            "who: weight \"w\": OrthogonalRegularizer: a weight [3, 4, 2] has no two rows");
  EXPECT_EQ(message_of([&] {
              rule("columns", {3, 1});
            }),
            "who: weight \"w\": OrthogonalRegularizer: a weight [3, 1] has no two columns");
}

TEST(ActivityRegularizerTest, IsForEachCallAlsoOfAFrozenLayer) {
  const Input x({4});
  Dense shared({.units = 4, .activation = "relu", .activity_regularizer = "l1", .name = "shared"});
  shared.set_trainable(false);
  const Model model(x, ActivityRegularization({.l2 = 0.5})(shared(shared(x))));
  const backend::Graph graph = nn::lower(model, MeanSquaredError{});
  ASSERT_EQ(graph.activity_penalties.size(), 3u);
  EXPECT_EQ(graph.activity_penalties[0].value, graph.ops[1].output) << "behind the activation";
  EXPECT_FLOAT_EQ(graph.activity_penalties[1].l1, 0.01f);
  EXPECT_EQ(graph.activity_penalties[2].value, graph.activity_penalties[1].value);
  EXPECT_FLOAT_EQ(graph.activity_penalties[2].l2, 0.5f);
}

TEST(ActivityRegularizerTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(
      message_of([] { Dense({.units = 2, .activity_regularizer = "orthogonal_regularizer"}); }),
      "Dense: activity_regularizer = \"orthogonal_regularizer\": activities are no matrix; "
      "use L1, L2 or L1L2");
  EXPECT_EQ(message_of([] { ActivityRegularization({.l1 = -1}); }),
            "ActivityRegularization: l1 = -1: must be finite and at least 0");
}

TEST(WeightRulesTest, FrozenLayersHaveNoneAndSharedOnesOne) {
  const Input x({4});
  const Dense shared({.units = 4, .kernel_regularizer = "l2", .name = "shared"});
  Dense frozen({.units = 4, .kernel_regularizer = "l2", .name = "frozen"});
  frozen.set_trainable(false);
  const Model model(x, shared(frozen(shared(x))));
  const backend::Graph graph = nn::lower(model, MeanSquaredError{});
  ASSERT_EQ(graph.weight_rules.size(), 1u);
  EXPECT_FLOAT_EQ(graph.weight_rules[0].l2, 0.01f);
}

}  // namespace
}  // namespace sluice
