// Models of layers that call one another.
#include "sluice/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "backend/replica.h"
#include "core/parameter_set.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names;
  for (const auto& layer : model.layers()) names.push_back(layer->name());
  return names;
}

nlohmann::json golden_values(const std::string& model) {
  return nlohmann::json::parse(read_golden(model + ".values.json"));
}

// --- What Keras says of the same model ---

TEST(ModelTest, LayersAndWeightsAreInTheOrderOfKeras) {
  EXPECT_THAT(names_of(residual()),
              ElementsAre("first", "other", "shared", "total", "pooled", "flat", "probs"));
  std::vector<std::string> weights;
  const Model model = residual();
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    weights.push_back(variable.name);
  }
  EXPECT_THAT(weights, ElementsAre("first/kernel", "first/bias", "other/kernel", "other/bias",
                                   "shared/kernel", "shared/bias", "probs/kernel", "probs/bias"));
}

// --- Several inputs and outputs ---

TEST(ModelTest, InputsAndOutputsHaveShapesAndNames) {
  const Model model = two_heads();
  EXPECT_THAT(model.input_shapes(), ElementsAre(Shape{5, 5, 2}, Shape{3}));
  EXPECT_THAT(model.output_shapes(), ElementsAre(Shape{3}, Shape{2}));
  EXPECT_THAT(model.input_names(), ElementsAre("image", "row"));
  EXPECT_THAT(model.output_names(), ElementsAre("kind", "place"));
  EXPECT_EQ(message_of<ShapeError>([&] { (void)model.input_shape(); }),
            "model \"two_heads\" has 2 inputs: ask for input_shapes()");
  EXPECT_EQ(message_of<ShapeError>([&] { (void)model.output_shape(); }),
            "model \"two_heads\" has 2 outputs: ask for output_shapes()");
  const Input a({2}), b({2});
  const Dense twice({.units = 2, .name = "twice"});
  const Model same({a, b}, {twice(a), twice(b)});
  EXPECT_THAT(same.input_names(), ElementsAre("input_layer", "input_layer_1"));
  EXPECT_THAT(same.output_names(), ElementsAre("twice", "twice_1"));
  EXPECT_EQ(same.count_params(), 6u);
}

TEST(ModelTest, SeveralInputsAndOutputsAreInTheOrderOfKeras) {
  const auto golden = golden_values("two_heads");
  auto expected = golden["layers"].get<std::vector<std::string>>();
  std::erase(expected, "image");
  std::erase(expected, "row");
  EXPECT_EQ(names_of(two_heads()), expected);
}

TEST(ModelTest, LossesAndGradientsOfSeveralOutputsAreThoseOfKeras) {
  const auto golden = golden_values("two_heads");
  const auto array = [&](const char* name, size_t k) {
    return golden[name][k].get<std::vector<float>>();
  };
  const auto joined = [&](const char* name, std::vector<size_t> sizes) {
    std::vector<float> rows;
    for (size_t i = 0; i < 6; ++i) {
      for (size_t k = 0; k < sizes.size(); ++k) {
        const auto all = array(name, k);
        rows.insert(rows.end(), all.begin() + static_cast<std::ptrdiff_t>(i * sizes[k]),
                    all.begin() + static_cast<std::ptrdiff_t>((i + 1) * sizes[k]));
      }
    }
    return rows;
  };
  const Model model = two_heads();
  backend::Graph graph = lower(model, SparseCategoricalCrossentropy{});
  const auto weights = golden["loss_weights"].get<std::vector<float>>();
  graph.outputs[0].weight = weights[0];
  graph.outputs[1].weight = weights[1];
  graph.outputs[1].loss = MeanSquaredError{};
  const auto replica = (*backend::open_backend({.name = "cpu"}))->compile(graph, {.batch_size = 6});
  const auto values = golden["weights"].get<std::vector<float>>();
  std::copy(values.begin(), values.end(), replica->parameters().begin());
  replica->parameters_changed();
  const std::vector<float> x = joined("x", {50, 3}), y = joined("y", {3, 2});
  std::vector<float> outputs(y.size());
  replica->predict(6, x, outputs);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(outputs[i], y[i], 1e-6) << i;
  const auto targets = joined("targets", {1, 2});
  EXPECT_NEAR(replica->train_step({6, x, targets}).loss_sum / 6, golden["loss"].get<double>(),
              1e-6);
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    SCOPED_TRACE(variable.name);
    const auto gradient = replica->gradients().subspan(variable.offset, variable.size());
    const auto expected = golden["gradients"][variable.name].get<std::vector<float>>();
    ASSERT_EQ(gradient.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(gradient[i], expected[i], 1e-6) << i;
  }
}

TEST(KerasFunctionalTest, SeveralInputsAndOutputsAreReadAndWritten) {
  for (const char* version : {"keras2", "keras3", "sluice"}) {
    SCOPED_TRACE(version);
    const Model read = Model::from_json(read_golden(std::string("two_heads.") + version + ".json"));
    EXPECT_EQ(read.to_json() + "\n", read_golden("two_heads.sluice.json"));
    EXPECT_EQ(read.to_json(), two_heads().to_json());
    EXPECT_EQ(names_of(read), names_of(two_heads()));
  }
}

TEST(ModelTest, SummariesListSeveralInputsWhereTheyComeIn) {
  const std::string text = two_heads().summary();
  const size_t squeezed = text.find("squeezed (Dense)"), row = text.find("row (InputLayer)");
  const size_t from_row = text.find("from_row (Dense)");
  ASSERT_NE(row, std::string::npos);
  EXPECT_LT(squeezed, row);
  EXPECT_LT(row, from_row);
  EXPECT_THAT(text, HasSubstr("image (InputLayer)"));
}

TEST(ModelTest, InputsAreGivenOnceAndUsed) {
  const Input a({2}, {.name = "a"}), b({2}, {.name = "b"});
  const SymbolicTensor y = Dense({.units = 2})(a);
  EXPECT_EQ(message_of([&] {
              Model({a, b}, {y, y});
            }),
            "Model: no output depends on the Input \"b\"");
  EXPECT_EQ(message_of([&] {
              Model({a, a}, {y, y});
            }),
            "Model: the Input \"a\" is given twice among its inputs");
  EXPECT_EQ(message_of([&] {
              Model(std::vector<SymbolicTensor>{a, b}, {Add()({y, Input({2}, {.name = "c"})})});
            }),
            "Model: the output depends on the Input \"c\" as well, which is not among its inputs");
  EXPECT_EQ(message_of([&] {
              Model({a, Input({2}, {.name = "a"})}, {y, y});
            }),
            "Model: no output depends on the Input \"a\"");
  EXPECT_EQ(message_of([&] {
              Model(std::vector<SymbolicTensor>{}, {y, y});
            }),
            "Model: expected at least one input and one output");
}

// --- Models inside models ---

// nested() of golden/make_golden.py: a Sequential inside a Functional inside a Functional, the
// first called twice.
Model nested() {
  Sequential squeeze("squeeze");
  squeeze.add(Input({4})).add(Dense({.units = 3, .activation = "tanh", .name = "a"}));
  squeeze.add(Dense({.units = 4, .name = "b"}));
  const Input x({4}, {.name = "x"});
  const Model block(x, Add({.name = "sum"})({squeeze(x), x}), "block");
  const Input input({4}, {.name = "input"});
  const auto twice = block(block(input));
  return Model(input, Dense({.units = 2, .name = "end"})(twice), "nested");
}

TEST(NestedModelTest, WeightsAreNamedByTheWayToThem) {
  const Model model = nested();
  std::vector<std::string> weights;
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    weights.push_back(variable.name);
  }
  EXPECT_THAT(weights, ElementsAre("block/squeeze/a/kernel", "block/squeeze/a/bias",
                                   "block/squeeze/b/kernel", "block/squeeze/b/bias", "end/kernel",
                                   "end/bias"));
  EXPECT_THAT(names_of(model), ElementsAre("block", "end"));
}

TEST(NestedModelTest, ItComputesWhatItsLayersDo) {
  const Model model = nested();
  const Dense a({.units = 3, .activation = "tanh", .name = "a"}), b({.units = 4, .name = "b"});
  const Input x({4});
  const auto once = [&](const SymbolicTensor& value) { return Add()({b(a(value)), value}); };
  Model flat(x, Dense({.units = 2, .name = "end"})(once(once(x))));
  for (const auto& [from, to] : {std::pair{"block/squeeze/a/", "a/"},
                                 std::pair{"block/squeeze/b/", "b/"}, std::pair{"end/", "end/"}}) {
    for (const std::string weight : {"kernel", "bias"}) {
      flat.set_weights(to + weight, model.get_weights(from + weight));
    }
  }
  const auto run = [](const Model& which) {
    const auto replica =
        (*backend::open_backend({.name = "cpu"}))->compile(lower(which, MeanSquaredError{}), {});
    std::copy(which.parameters().values().begin(), which.parameters().values().end(),
              replica->parameters().begin());
    replica->parameters_changed();
    std::vector<float> y(2);
    replica->predict(1, std::vector<float>{1, -2, 0.5f, 3}, y);
    return y;
  };
  EXPECT_EQ(run(model), run(flat));
}

TEST(NestedModelTest, WeightsComeAlongAndAreItsOwn) {
  Sequential inner("inner");
  inner.add(Input({1})).add(Dense({.units = 1, .name = "d"}));
  inner.set_weights("d/kernel", std::vector<float>{42});
  Sequential outer;
  outer.add(Input({1})).add(inner);
  EXPECT_THAT(outer.get_weights("inner/d/kernel"), ElementsAre(42));
  outer.set_weights("inner/d/kernel", std::vector<float>{1});
  EXPECT_THAT(inner.get_weights("d/kernel"), ElementsAre(42));
}

TEST(NestedModelTest, AFrozenModelIsNotTrained) {
  Model model = nested();
  model.get_layer("block").set_trainable(false);
  EXPECT_THAT(model.summary(), HasSubstr("Non-trainable params: 31"));
  const backend::Graph graph = lower(model, MeanSquaredError{});
  for (const backend::Op& op : graph.ops) {
    const auto* dense = std::get_if<backend::DenseOp>(&op.kind);
    if (dense == nullptr) continue;
    const bool frozen = dense->kernel.role == backend::ParameterRole::kFrozen;
    EXPECT_EQ(frozen, op.name != "end") << op.name;
  }
  // Keras goes by the layers inside; with the model they train again.
  Model again = Model::from_json(model.to_json());
  EXPECT_FALSE(again.get_layer("block").trainable());
  const nlohmann::json json = nlohmann::json::parse(model.to_json());
  for (const auto& layer : json["config"]["layers"]) {
    if (layer["config"]["name"] != "block") continue;
    for (const auto& inside : layer["config"]["layers"]) {
      EXPECT_FALSE(inside["config"].value("trainable", false)) << inside;
    }
  }
  again.get_layer("block").set_trainable(true);
  EXPECT_THAT(again.summary(), HasSubstr("Non-trainable params: 0"));
}

TEST(SequentialTest, ALayerThatIsAddedBeginsTheOptimizerAnew) {
  Sequential model;
  model.add(Input({3})).add(Dense({.units = 4}));
  model.impl().training =
      TrainingState{.loss = "mse", .optimizer_state = {.iterations = 7, .slots = {{"m", {}}}}};
  model.add(Flatten());
  EXPECT_EQ(model.impl().training->optimizer_state.iterations, 7);
  model.add(Dense({.units = 2}));
  EXPECT_TRUE(model.impl().training->optimizer_state.slots.empty());
  EXPECT_EQ(model.impl().training->loss, LossSpec("mse"));
}

// As Keras, which freezes the layers of a model with it: they compute as in inference.
TEST(NestedModelTest, ANormalizationInAFrozenModelMovesNothing) {
  Sequential inner("inner");
  inner.add(Input({2})).add(BatchNormalization({.name = "norm"}));
  Sequential model;
  model.add(Input({2})).add(inner).add(Dense({.units = 1, .name = "end"}));
  model.get_layer("inner").set_trainable(false);
  const backend::Graph graph = lower(model, MeanSquaredError{});
  const auto replica = (*backend::open_backend({.name = "cpu"}))
                           ->compile(graph, {.batch_size = 2, .optimizer = SGD()});
  const std::vector<float> values(model.parameters().values().begin(),
                                  model.parameters().values().end());
  std::copy(values.begin(), values.end(), replica->parameters().begin());
  replica->parameters_changed();
  replica->train_step({2, std::vector<float>{1, 2, 3, 8}, std::vector<float>{0, 1}});
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    const bool moved = replica->parameters()[variable.offset] != values[variable.offset];
    EXPECT_EQ(moved, variable.name.starts_with("end/")) << variable.name;
  }
}

TEST(NestedModelTest, ItsJsonIsReadFromBothVersionsOfKeras) {
  EXPECT_EQ(Model::from_json(nested().to_json()).to_json(), nested().to_json());
  for (const char* version : {"keras2", "keras3"}) {
    const Model read = Model::from_json(read_golden(std::string("nested.") + version + ".json"));
    EXPECT_EQ(read.to_json(), nested().to_json()) << version;
  }
}

// Keras 3 counts its calls from 0 where a layer takes them, and from 1 among the outputs. Ours are
// in the order in which Keras makes them, its own in the order in which the user did.
TEST(NestedModelTest, ItsCallsAreNumberedAsInKeras) {
  const Input x({2}, {.name = "x"}), a({2}, {.name = "a"}), b({2}, {.name = "b"});
  const Model inner(x, Dense({.units = 2, .name = "d"})(x), "inner");
  const auto of_a = inner(a), of_b = inner(b);
  const Model model({a, b}, {of_a, Dense({.units = 3, .name = "end"})(of_b)}, "outer");
  auto json = nlohmann::ordered_json::parse(model.to_json());
  auto& config = json["config"];
  EXPECT_EQ(config["output_layers"][0], nlohmann::json::parse(R"(["inner", 2, 0])"));
  nlohmann::ordered_json& end = config["layers"].back();
  EXPECT_EQ(end["inbound_nodes"], nlohmann::json::parse(R"([[["inner", 0, 0, {}]]])"));
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());

  // What Keras 3.15 writes of the same calls.
  const auto node = [](const char* layer, int call) {
    return nlohmann::ordered_json{
        {"args",
         {{{"class_name", "__keras_tensor__"},
           {"config", {{"shape", {nullptr, 2}}, {"keras_history", {layer, call, 0}}}}}}},
        {"kwargs", nlohmann::ordered_json::object()}};
  };
  for (auto& layer : config["layers"]) {
    if (layer["name"] == "inner") {
      layer["class_name"] = "Functional";
      layer["inbound_nodes"] = {node("a", 0), node("b", 0)};
    }
  }
  end["inbound_nodes"] = nlohmann::ordered_json::array({node("inner", 1)});
  config["output_layers"][0][1] = 1;
  EXPECT_EQ(Model::from_json(json.dump()).to_json(), model.to_json());
}

// As Keras 2's DenseNet has names with a slash, they are refused only where they meet.
TEST(NestedModelTest, ALayersWeightMayNotHaveTheNameOfAnInnerModels) {
  const Input x({4});
  const Model inner(x, Dense({.units = 4, .name = "b"})(x), "a");
  const auto with = [&](const char* name) {
    return Model(x, Dense({.units = 4, .name = name})(inner(x)), "outer");
  };
  EXPECT_EQ(message_of([&] { with("a/b"); }),
            "Dense \"a/b\": another layer has a weight \"a/b/kernel\" too; give this one another "
            "name");
  EXPECT_EQ(with("a/c").get_weights("a/c/kernel").size(), 16u);
  Sequential sequential;
  sequential.add(Input({4})).add(inner);
  EXPECT_EQ(message_of([&] { sequential.add(Dense({.units = 4, .name = "a/b"})); }),
            "Dense \"a/b\": another layer has a weight \"a/b/kernel\" too; give this one another "
            "name");
  EXPECT_EQ(sequential.layers().size(), 1u);
}

TEST(ModelJsonTest, TwoLayersOfOneNameAreRefused) {
  const Input x({2}, {.name = "x"});
  const auto y = Dense({.units = 2, .name = "a"})(x);
  auto json = nlohmann::ordered_json::parse(
      Model(x, Dense({.units = 3, .name = "b"})(y), "model").to_json());
  json["config"]["layers"][0]["name"] = "a";
  EXPECT_EQ(message_of([&] { Model::from_json(json.dump()); }),
            "model JSON: \"layers\": two named \"a\"");
}

TEST(NestedModelTest, WhatCannotBeALayerIsRefused) {
  const Input x({4});
  Sequential unbuilt("unbuilt");
  EXPECT_EQ(message_of<ShapeError>([&] { unbuilt(x); }),
            "Sequential \"unbuilt\": a model that is called needs an Input and layers first");
  const Model two(std::vector<SymbolicTensor>{x}, {Flatten()(x), Dense({.units = 1})(x)}, "two");
  EXPECT_EQ(message_of([&] { two(x); }),
            "Functional \"two\": a model inside another has one output, this has 2");
  const Model model = nested();
  EXPECT_EQ(message_of<ShapeError>([&] { model(Input({5})); }),
            "Functional \"nested\": expected an input [4], got [5]");
}

class KerasFunctionalFileTest : public testing::TestWithParam<const char*> {};

TEST_P(KerasFunctionalFileTest, IsReadAsTheSameModel) {
  const Model read = Model::from_json(read_golden(std::string("residual.") + GetParam() + ".json"));
  EXPECT_EQ(read.to_json(), residual().to_json());
  EXPECT_EQ(names_of(read), names_of(residual()));
  EXPECT_FALSE(read.get_layer("other").trainable());
}

TEST(KerasFunctionalTest, MergesAreReadInBothForms) {
  for (const char* version : {"keras2", "keras3"}) {
    const Model read = Model::from_json(read_golden(std::string("merges.") + version + ".json"));
    EXPECT_EQ(read.to_json(), merges().to_json());
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, KerasFunctionalFileTest,
                         testing::Values("keras2", "keras3", "sluice"));

TEST(ModelTest, ItsJsonIsWhatKerasHasRead) {
  EXPECT_EQ(residual().to_json() + "\n", read_golden("residual.sluice.json"));
}

// --- What it is made from ---

TEST(ModelTest, LayersWithoutANameGetOneInTheModel) {
  const Input input({4});
  const Dense dense({.units = 4});
  const auto twice = dense(dense(input));
  const Model model(input, Add()({twice, Dense({.units = 4})(input)}));
  EXPECT_THAT(names_of(model), ElementsAre("dense", "dense_1", "add"));
  EXPECT_EQ(model.name(), "functional");
  EXPECT_EQ(model.input_shape(), Shape({4}));
  EXPECT_EQ(model.output_shape(), Shape({4}));
  EXPECT_EQ(model.count_params(), 2u * 20u);
}

TEST(ModelTest, ACopyOfALayerIsAnotherLayer) {
  const Input input({4});
  const Dense dense({.units = 4});
  const Dense copy = dense;
  EXPECT_EQ(Model(input, dense(dense(input))).count_params(), 20u);
  EXPECT_EQ(Model(input, copy(dense(input))).count_params(), 40u);
}

TEST(ModelTest, WhatDoesNotFitIsRefusedWhereItIsCalled) {
  const Input image({4, 4, 2});
  EXPECT_THAT(message_of<ShapeError>([&] { Conv2D({.filters = 1, .kernel_size = 9})(image); }),
              StartsWith("Conv2D"));
  EXPECT_EQ(message_of<ShapeError>([&] {
              Add({.name = "sum"})({image, Flatten()(MaxPooling2D()(image))});
            }),
            "Add \"sum\": expected inputs whose sizes are equal or 1, got [4, 4, 2], [8]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              Flatten()({image, image});
            }),
            "Flatten: expected one input, got 2");
  EXPECT_EQ(message_of([&] { Flatten()(std::vector<SymbolicTensor>()); }),
            "Flatten: called without an input");
}

TEST(ModelTest, ALayerThatIsCalledAgainMustNeedTheSameWeights) {
  const Input input({4});
  const Dense dense({.units = 3, .name = "d"});
  EXPECT_EQ(message_of<ShapeError>([&] { Model(input, dense(dense(input))); }),
            "Dense \"d\": expected an input that the weights of [4] fit, got [3]");
}

TEST(ModelTest, ItBeginsWithItsInputAndWithNoOther) {
  const Input input({4}), other({4}, {.name = "other"});
  const SymbolicTensor hidden = Dense({.units = 4})(input);
  EXPECT_EQ(message_of([&] {
              Model(input, Add()({hidden, other}));
            }),
            "Model: the output depends on the Input \"other\" as well, which is not its input");
  EXPECT_EQ(message_of([&] { Model(hidden, Dense({.units = 4})(hidden)); }),
            "Model: it must begin with an Input");
  const Dense named({.units = 4, .name = "same"}), again({.units = 4, .name = "same"});
  EXPECT_EQ(message_of([&] { Model(input, again(named(input)), "m"); }),
            "Model \"m\": two layers named \"same\"; give one of them another name");
  EXPECT_EQ(message_of([&] { Model(other, Dense({.units = 4, .name = "other"})(other), "m"); }),
            "Model \"m\": an input and a layer named \"other\"; give one of them another name");
}

TEST(ModelTest, AChainMayBeLong) {
  const Input input({1});
  const Activation squash("tanh");
  SymbolicTensor x = input;
  for (int i = 0; i < 50000; ++i) x = squash(x);
  EXPECT_THAT(names_of(Model(input, x)), ElementsAre("activation"));
}

// --- Weights and layers by name ---

TEST(ModelTest, WeightsAreReadAndWrittenByName) {
  Model model = residual();
  model.set_weights("probs/bias", std::vector<float>{1, 2, 3});
  EXPECT_THAT(model.get_weights("probs/bias"), ElementsAre(1, 2, 3));
  EXPECT_EQ(message_of<ShapeError>([&] { model.set_weights("probs/bias", std::vector<float>(2)); }),
            "weight \"probs/bias\" [3]: expected 3 floats, got 2");
  EXPECT_THAT(message_of([&] { (void)model.get_weights("bias"); }),
              HasSubstr("has no weight \"bias\"; its weights are first/kernel first/bias"));
  EXPECT_THAT(message_of([&] { (void)model.get_layer("conv"); }),
              HasSubstr("has no layer \"conv\"; its layers are first other"));
}

TEST(ModelTest, FrozenLayersAreCountedApart) {
  Model model = residual();
  model.get_layer("shared").set_trainable(false);
  EXPECT_THAT(model.summary(), HasSubstr("Non-trainable params: 296"));
}

TEST(ModelTest, CopiesAreDeep) {
  Model model = residual();
  const Model copy = model;
  model.set_weights("probs/bias", std::vector<float>{1, 2, 3});
  EXPECT_THAT(copy.get_weights("probs/bias"), ElementsAre(0, 0, 0));
  EXPECT_EQ(copy.to_json(), model.to_json());
}

// --- JSON that is wrong ---

std::string refusal_of(const std::string& from, const std::string& to) {
  std::string json = residual().to_json();
  const size_t at = json.find(from);
  if (at == std::string::npos) return "the test itself: no " + from;
  return message_of([&] { Model::from_json(json.replace(at, from.size(), to)); });
}

TEST(KerasFunctionalTest, MistakesInCallsAreNamed) {
  EXPECT_EQ(refusal_of(R"([[["image",0,0,{}]]])", R"([[["imag",0,0,{}]]])"),
            "model JSON: layer \"first\" takes call 0 of \"imag\", which is not there or depends "
            "on it");
  EXPECT_EQ(refusal_of(R"([[["image",0,0,{}]]])", R"([[["probs",0,0,{}]]])"),
            "model JSON: layer \"first\" takes call 0 of \"probs\", which is not there or depends "
            "on it");
  EXPECT_THAT(refusal_of(R"([[["image",0,0,{}]]])", R"([[["image",0,1,{}]]])"),
              HasSubstr("\"first\": output 1 of \"image\": Sluice's layers have one"));
  EXPECT_THAT(refusal_of(R"([[["image",0,0,{}]]])", R"([[["image",0,0,{"training":true}]]])"),
              HasSubstr("\"first\": a call: Sluice's layers take nothing else"));
  EXPECT_THAT(refusal_of(R"([[["image",0,0,{}]]])", "[]"), HasSubstr("expected its calls, got []"));
  EXPECT_THAT(refusal_of(R"([[["image",0,0,{}]]])", "[[]]"), HasSubstr("expected its inputs"));
  EXPECT_THAT(refusal_of(R"([[["image",0,0,{}]]])", "7"), HasSubstr("expected its calls, got 7"));
  EXPECT_THAT(refusal_of(R"("output_layers":["probs",0,0])", R"("output_layers":[])"),
              HasSubstr("\"output_layers\": expected a list with at least one"));
  EXPECT_THAT(refusal_of(R"("output_layers":["probs",0,0])", R"("output_layers":["probs",1,0])"),
              HasSubstr("there is no call 1 of a layer \"probs\""));
}

}  // namespace
}  // namespace sluice::nn
