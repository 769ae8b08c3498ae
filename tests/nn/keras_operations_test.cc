#include "nn/keras_operations.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

Json tensor(const Json& shape) {
  return {{"class_name", "__keras_tensor__"},
          {"config", {{"shape", shape}, {"keras_history", {"x", 0, 0}}}}};
}

Json image() { return tensor({nullptr, 4, 6, 3}); }

Json operation(const std::string& class_name, const Json& args, Json config = Json::object()) {
  config["name"] = "op";
  return {{"module", "keras.src.ops.numpy"},
          {"class_name", class_name},
          {"config", config},
          {"name", "op"},
          {"inbound_nodes", Json::array({{{"args", args}, {"kwargs", Json::object()}}})}};
}

std::string refusal(const Json& json) {
  return message_of([&] { layer_of_operation(json); });
}

// tests/keras computes with what they become; here is what does not become a layer.
TEST(KerasOperationsTest, OnlyThoseOfKerasModuleAre) {
  EXPECT_TRUE(is_operation(operation("Add", {image(), 1})));
  Json layer = operation("Add", {image(), image()});
  layer["module"] = "keras.layers";
  EXPECT_FALSE(is_operation(layer));
  // .h5 knows no modules: layers have one of these, and Keras 2 has no "args".
  layer.erase("module");
  EXPECT_TRUE(is_operation(layer));
  for (const char* key : {"dtype", "trainable"}) {
    layer["config"][key] = true;
    EXPECT_FALSE(is_operation(layer));
    layer["config"].erase(key);
  }
  layer["inbound_nodes"] = Json::parse(R"([[["x", 0, 0, {}]]])");
  EXPECT_FALSE(is_operation(layer));
}

TEST(KerasOperationsTest, TheLayerHasTheOperationsNameAndInputs) {
  const Json layer = layer_of_operation(operation("Subtract", {1, image()}));
  EXPECT_EQ(layer["class_name"], "Rescaling");
  EXPECT_EQ(layer["config"], Json::parse(R"({"scale": -1.0, "offset": 1.0, "name": "op"})"));
  EXPECT_EQ(layer["inbound_nodes"],
            Json::array({{{"args", Json::array({image()})}, {"kwargs", Json::object()}}}));
}

TEST(KerasOperationsTest, WhatNoLayerDoesIsRefused) {
  const std::string none = "\"op\": Sluice has no layer for this operation of keras.ops";
  const Json slice = {{"class_name", "__slice__"}, {"config", Json::object()}};
  EXPECT_EQ(refusal(operation("GetItem", {image(), Json::array({slice})})), "GetItem " + none);
  EXPECT_EQ(refusal(operation("Average", Json::array({image()}))), "Average " + none);
  EXPECT_EQ(refusal(operation("TrueDivide", {image(), image()})), "TrueDivide " + none);
  EXPECT_EQ(refusal(operation("Multiply", {image(), Json::array({1, 2, 3})})), "Multiply " + none);
  EXPECT_EQ(refusal(operation("Relu", Json::array())), "Relu " + none);
  EXPECT_EQ(refusal(operation("TrueDivide", {image(), 0})),
            "TrueDivide \"op\": Sluice has no layer for this operation with 0");
  EXPECT_EQ(refusal(operation("TrueDivide", {2.5, image()})),
            "TrueDivide \"op\": Sluice has no layer for this operation with 2.5");
  EXPECT_EQ(refusal(operation("Maximum", {image(), 1})),
            "Maximum \"op\": Sluice has no layer for this operation with 1");
}

TEST(KerasOperationsTest, SettingsThatNoLayerHasAreRefused) {
  const auto of_image = [](const char* name, const Json& config) {
    return operation(name, Json::array({image()}), config);
  };
  EXPECT_EQ(refusal(of_image("Max", {{"axis", {1, 2}}, {"keepdims", false}, {"initial", 0.9}})),
            "Max \"op\": \"initial\" is set: Sluice does not have this");
  for (const char* name : {"Softmax", "LogSoftmax"}) {
    EXPECT_EQ(refusal(of_image(name, {{"axis", nullptr}})),
              std::string(name) +
                  " \"op\": axis = null: Sluice's layers leave the samples of a batch apart");
  }
  EXPECT_EQ(
      refusal(operation("Concatenate", {Json::array({image(), image()})}, {{"axis", nullptr}})),
      "Concatenate \"op\": axis = null: Sluice's layers leave the samples of a batch apart");
}

// Layers line up the first axes of such inputs, operations the last ones.
TEST(KerasOperationsTest, InputsOfDifferentRanksAreRefused) {
  EXPECT_EQ(refusal(operation("Add", {image(), tensor({nullptr, 3})})),
            "Add \"op\": inputs of different ranks: Sluice does not have this");
}

TEST(KerasOperationsTest, WhatMovesTheBatchIsRefused) {
  EXPECT_EQ(refusal(operation("Transpose", Json::array({image()}), {{"axes", {1, 0, 2, 3}}})),
            "Transpose \"op\": axes = [1,0,2,3]: Sluice's layers leave the batch in front, "
            "axes = [0, ...]");
  EXPECT_EQ(refusal(operation("Transpose", Json::array({image()}), {{"axes", nullptr}})),
            "Transpose \"op\": axes = null: Sluice's layers leave the batch in front, "
            "axes = [0, ...]");
  EXPECT_EQ(refusal(operation("Reshape", Json::array({image()}), {{"newshape", {16, -1}}})),
            "Reshape \"op\": newshape = [16,-1]: Sluice's layers leave the batch in front, "
            "newshape = [-1, ...]");
}

TEST(KerasOperationsTest, MeansAreOverAllPlacesOfAnImage) {
  const auto mean = [](const Json& axis) {
    return operation("Mean", Json::array({image()}), {{"axis", axis}});
  };
  EXPECT_EQ(layer_of_operation(mean({-2, 1}))["class_name"], "GlobalAveragePooling2D");
  for (const Json& axis : {Json(nullptr), Json(1), Json({1, 3}), Json({"a"})}) {
    EXPECT_EQ(refusal(mean(axis)),
              "Mean \"op\": axis = " + axis.dump() +
                  ": Sluice has this over all places of a sequence or an image, axis = [1, 2]");
  }
}

}  // namespace
}  // namespace sluice::nn
