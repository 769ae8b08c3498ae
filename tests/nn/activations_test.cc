// Names, arguments and layers of the activation functions, and their JSON.
#include "nn/activations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using backend::ActivationOp;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Function = backend::Activation;

constexpr Argument kArgument{"Dense", "activation"};

ActivationOp op_of(const ActivationFunction& function, const Shape& input = {3}) {
  return activation_op(Activation("linear"), parse_activation(kArgument, function), input);
}

TEST(ActivationsTest, NamesAreKerass) {
  EXPECT_EQ(op_of("relu"), ActivationOp{Function::kRelu});
  EXPECT_EQ(op_of("relu6"), ActivationOp{Function::rectifier(0, 0, 6)});
  EXPECT_EQ(op_of("swish"), op_of("silu"));
  EXPECT_EQ(op_of("hard_swish"), op_of("hard_silu"));
  EXPECT_EQ(op_of("leaky_relu"), ActivationOp{Function::rectifier(0.2f)});
  EXPECT_EQ(op_of("hard_sigmoid").activation.alpha, 1.0f / 6);
  EXPECT_EQ(op_of("hard_sigmoid_keras2").activation.alpha, 0.2f);
  EXPECT_THAT(message_of([] { op_of("ReLU"); }),
              StartsWith("Dense: activation = \"ReLU\": use \"linear\", \"relu\", "));
}

TEST(ActivationsTest, ArgumentsReachTheFormula) {
  EXPECT_EQ(op_of({"relu", {{"negative_slope", 0.1}, {"max_value", 6.0}, {"threshold", 1.0}}}),
            ActivationOp{Function::rectifier(0.1f, 1, 6)});
  EXPECT_EQ(op_of({"relu", {{"max_value", 6.0}}}), op_of("relu6"));
  EXPECT_EQ(op_of({"elu", {{"alpha", 2.0}}}), (ActivationOp{{Function::kElu, 2}}));
  EXPECT_EQ(op_of({"celu", {{"alpha", 2.0}}}), (ActivationOp{{Function::kCelu, 2}}));
  EXPECT_EQ(op_of({"gelu", {{"approximate", true}}}), ActivationOp{Function::kGeluTanh});
  EXPECT_EQ(op_of({"hard_shrink", {{"threshold", 1.0}}}),
            (ActivationOp{{Function::kHardShrink, 1}}));
  EXPECT_EQ(op_of({"squareplus", {{"b", 1.0}}}), (ActivationOp{{Function::kSquareplus, 1}}));
  // Which are the defaults are left out.
  EXPECT_EQ(parse_activation(kArgument, {"elu", {{"alpha", 1.0}}}), "elu");
}

TEST(ActivationsTest, ArgumentsThatMakeNoSenseAreRefused) {
  const auto refused = [](const ActivationFunction& function) {
    return message_of([&] { parse_activation(kArgument, function); });
  };
  EXPECT_EQ(refused({"gelu", {{"alpha", 1.0}}}),
            "Dense: activation = \"gelu\": has no \"alpha\"; it takes approximate");
  EXPECT_EQ(refused({"celu", {{"alpha", 0.0}}}),
            "Dense: activation = \"celu\": \"alpha\" must be above 0");
  EXPECT_EQ(refused({"soft_shrink", {{"threshold", -1.0}}}),
            "Dense: activation = \"soft_shrink\": \"threshold\" must be at least 0");
  EXPECT_EQ(refused({"relu", {{"negative_slope", -1.0}}}),
            "Dense: activation = \"relu\": its arguments must be at least 0");
  EXPECT_EQ(message_of([] { ReLU({.threshold = -1}); }),
            "ReLU: threshold = -1: must be at least 0");
}

TEST(ActivationsTest, AnAxisCountsFromTheBatchOrFromTheEnd) {
  EXPECT_EQ(op_of("softmax", {4, 5, 6}).axis, 2);
  EXPECT_EQ(op_of({"softmax", {{"axis", int64_t{1}}}}, {4, 5, 6}).axis, 0);
  EXPECT_EQ(op_of({"log_softmax", {{"axis", int64_t{-2}}}}, {4, 5, 6}).axis, 1);
  EXPECT_EQ(Softmax({.axis = {1}}).output_shape({4, 5}), Shape({4, 5}));
  EXPECT_THROW(Softmax({.axis = {0}}).output_shape({4, 5}), ShapeError);
  EXPECT_THROW(Softmax({.axis = {3}}).output_shape({4, 5}), ShapeError);
  EXPECT_EQ(Softmax({.axis = {-1, 1}}).output_shape({4, 5}), Shape({4, 5}));
  EXPECT_THROW(Softmax({.axis = {0, 1}}).output_shape({4, 5}), ShapeError);
  EXPECT_THROW(Softmax({.axis = {2, -1}}).output_shape({4, 5}), ShapeError);
  EXPECT_EQ(message_of([] { Softmax({.axis = {}}); }), "Softmax: axis = []: name at least one");
  EXPECT_THROW(Softmax().output_shape({}), ShapeError);
}

TEST(ActivationsTest, OperationsHaveTheNamesOfTheirFunctions) {
  for (const char* name : {"linear", "relu", "relu6", "leaky_relu", "elu", "gelu", "mish",
                           "hard_sigmoid", "hard_sigmoid_keras2", "softmax", "log_softmax"}) {
    EXPECT_EQ(name_of(op_of(name)), name);
  }
  EXPECT_EQ(name_of(op_of({"relu", {{"max_value", 3.0}}})), "relu");
  EXPECT_EQ(name_of(op_of({"gelu", {{"approximate", true}}})), "gelu");
  EXPECT_EQ(name_of(op_of({"elu", {{"alpha", 3.0}}})), "elu");
}

// --- JSON ---

Model with_activation(const ActivationFunction& function) {
  Sequential model;
  model.add(Input({3})).add(Dense({.units = 2, .activation = function}));
  return model;
}

ActivationFunction read_back(const Model& model) {
  const Model copy = Model::from_json(model.to_json());
  return dynamic_cast<const Dense&>(*copy.layers()[0]).options().activation;
}

TEST(ActivationsTest, AreWrittenByNameOrAsTheLayerThatTheyAre) {
  EXPECT_THAT(with_activation("gelu").to_json(), HasSubstr(R"("activation":"gelu")"));
  EXPECT_THAT(with_activation({"leaky_relu", {{"negative_slope", 0.1}}}).to_json(),
              HasSubstr(R"("activation":{"module":"keras.layers","class_name":"LeakyReLU",)"
                        R"("config":{"alpha":0.1},"registered_name":null})"));
  EXPECT_THAT(with_activation({"relu", {{"max_value", 2.0}}}).to_json(),
              HasSubstr(R"("config":{"max_value":2.0,"negative_slope":0.0,"threshold":0.0})"));
  EXPECT_THAT(with_activation({"celu", {{"alpha", 2.0}}}).to_json(),
              HasSubstr(R"("activation":{"class_name":"celu","config":{"alpha":2.0}})"));
}

TEST(ActivationsTest, AreReadBackAsTheyWereWritten) {
  for (const ActivationFunction& function : std::vector<ActivationFunction>{
           "softsign",
           "hard_sigmoid",
           "hard_sigmoid_keras2",
           {"leaky_relu", {{"negative_slope", 0.1}}},
           {"relu", {{"negative_slope", 0.1}, {"max_value", 6.0}, {"threshold", 1.0}}},
           {"elu", {{"alpha", 0.5}}},
           {"softmax", {{"axis", int64_t{1}}}},
           {"celu", {{"alpha", 2.0}}},
           {"gelu", {{"approximate", true}}},
           {"squareplus", {{"b", 1.0}}}}) {
    EXPECT_EQ(read_back(with_activation(function)), function) << function.name;
  }
}

TEST(ActivationsTest, TheFormsOfKerasAreRead) {
  const auto read = [](const std::string& activation) {
    const Model model = Model::from_json(
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {
            "name": "d", "units": 2, "batch_input_shape": [null, 3], "activation": )" +
        activation + "}}]}}");
    return dynamic_cast<const Dense&>(*model.layers()[0]).options().activation;
  };
  const ActivationFunction leaky("leaky_relu", {{"negative_slope", 0.1}});
  EXPECT_EQ(read(R"({"module": "keras.layers", "class_name": "LeakyReLU", "config": {
      "name": "leaky_re_lu", "trainable": true, "dtype": "float32", "negative_slope": 0.1}})"),
            leaky);
  EXPECT_EQ(read(R"({"class_name": "LeakyReLU", "config": {"alpha": 0.1}})"), leaky);
  EXPECT_EQ(read(R"({"class_name": "ReLU", "config": {"max_value": 6}})"),
            ActivationFunction("relu", {{"max_value", 6.0}}));
  EXPECT_EQ(read(R"({"class_name": "Activation", "config": {"activation": "mish"}})"), "mish");
  EXPECT_THAT(message_of([&] { read(R"({"class_name": "Softmax", "config": {"axis": [1, 2]}})"); }),
              HasSubstr("\"axis\" must be a whole number"))
      << "over several axes it is a layer";
  EXPECT_EQ(read(R"({"module": "builtins", "class_name": "function", "config": "silu"})"), "silu");
  EXPECT_EQ(read("null"), "linear");
  const auto refused = [&](const std::string& activation) {
    return message_of([&] { read(activation); });
  };
  EXPECT_THAT(refused(R"({"class_name": "Dropout", "config": {"rate": 0.5}})"),
              HasSubstr("Sluice does not have this"));
  EXPECT_THAT(refused(R"({"class_name": "Wave", "config": {}})"), HasSubstr("Dense: activation"));
  EXPECT_THAT(refused("3"), HasSubstr("Sluice does not have this"));
}

TEST(ActivationsTest, WhichHardSigmoidIsMeantFollowsFromTheVersion) {
  const auto read = [](const std::string& version) {
    const Model model = Model::from_json(
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {
            "units": 2, "batch_input_shape": [null, 3], "activation": "hard_sigmoid"}}]})" +
        version + "}");
    return dynamic_cast<const Dense&>(*model.layers()[0]).options().activation.name;
  };
  EXPECT_EQ(read(""), "hard_sigmoid");
  EXPECT_EQ(read(R"(, "keras_version": "3.15.0")"), "hard_sigmoid");
  EXPECT_EQ(read(R"(, "keras_version": "2.21.0")"), "hard_sigmoid_keras2");
  // Written so that Keras 2 means the same by it.
  const std::string old = with_activation("hard_sigmoid_keras2").to_json();
  EXPECT_THAT(old, HasSubstr(R"("activation":"hard_sigmoid")"));
  EXPECT_THAT(old, HasSubstr(R"("keras_version":"2.)"));
  EXPECT_THAT(with_activation("hard_sigmoid").to_json(), Not(HasSubstr("keras_version")));
  // With both, names that Keras refuses.
  Model both = with_activation("hard_sigmoid_keras2");
  Sequential mixed;
  mixed.add(Input({3}))
      .add(Dense({.units = 2, .activation = "hard_sigmoid_keras2"}))
      .add(Activation("hard_sigmoid"));
  EXPECT_THAT(mixed.to_json(), HasSubstr("hard_sigmoid_keras2"));
  EXPECT_EQ(read_back(mixed), "hard_sigmoid_keras2");
}

TEST(ActivationsTest, LayersKeepTheirArgumentsInJson) {
  Sequential model;
  model.add(Input({4, 3}))
      .add(ReLU({.max_value = 6, .negative_slope = 0.1, .threshold = 0.5}))
      .add(ReLU())
      .add(LeakyReLU())
      .add(LeakyReLU({.negative_slope = 0.01}))
      .add(ELU({.alpha = 2}))
      .add(Softmax({.axis = {1}}))
      .add(Softmax({.axis = {2, 1}}))
      .add(Activation(ActivationFunction("leaky_relu", {{"negative_slope", 0.1}})));
  const Model copy = Model::from_json(model.to_json());
  ASSERT_EQ(copy.layers().size(), model.layers().size());
  for (size_t i = 0; i < model.layers().size(); ++i) {
    EXPECT_EQ(copy.layers()[i]->name(), model.layers()[i]->name());
    EXPECT_EQ(copy.layers()[i]->config(), model.layers()[i]->config()) << i;
  }
  EXPECT_EQ(model.layers()[1]->name(), "re_lu_1");
  EXPECT_EQ(model.layers()[2]->name(), "leaky_re_lu");
  EXPECT_EQ(dynamic_cast<const ActivationLayer&>(*model.layers()[2]).function(),
            ActivationFunction("leaky_relu", {{"negative_slope", 0.3}}));
}

TEST(PReLUTest, HasASlopeForEachPlaceThatIsNotShared) {
  const auto shape = [](std::vector<int64_t> shared_axes) {
    return PReLU({.shared_axes = std::move(shared_axes)}).weights({4, 3, 2}).front().shape;
  };
  EXPECT_EQ(shape({}), Shape({4, 3, 2}));
  EXPECT_EQ(shape({1, 2}), Shape({1, 1, 2}));
  EXPECT_EQ(shape({3, 2, 1}), Shape({1, 1, 1}));
}

TEST(PReLUTest, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(message_of([] { PReLU({.shared_axes = {-1}}); }),
            "PReLU: shared_axes = -1: must be at least 1: the batch is axis 0");
  EXPECT_THAT(message_of([] { PReLU({.alpha_constraint = "l2"}); }),
              HasSubstr("PReLU: alpha_constraint"));
  EXPECT_THAT(message_of([] {
                PReLU({.shared_axes = {3}}).output_shape({4, 3});
              }),
              HasSubstr("an input with an axis 3"));
}

}  // namespace
}  // namespace sluice::nn
