#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/parameter_set.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::Not;

std::vector<std::string> layer_names(const Sequential& model) {
  std::vector<std::string> names;
  for (const auto& layer : model.layers()) names.push_back(layer->name());
  return names;
}

std::vector<float> weights_of(const Sequential& model, const std::string& name) {
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    const auto values = model.parameters().values_of(variable);
    if (variable.name == name) return {values.begin(), values.end()};
  }
  return {};
}

TEST(SequentialTest, MnistCnnHasKerasShapesAndParameterCount) {
  const Sequential model = mnist_cnn();
  EXPECT_TRUE(model.built());
  EXPECT_EQ(model.input_shape(), Shape({28, 28, 1}));
  EXPECT_EQ(model.output_shape(), Shape({10}));
  EXPECT_EQ(model.count_params(), 1048853u);
}

TEST(SequentialTest, LayersAreNamedAsInKeras) {
  EXPECT_THAT(layer_names(mnist_cnn()),
              ElementsAre("conv2d", "conv2d_1", "max_pooling2d", "flatten", "dense", "dense_1"));
}

TEST(SequentialTest, GivenNamesAreKeptAndDuplicatesRefused) {
  Sequential model("digits");
  model.add(Input({4})).add(Dense({.units = 3, .name = "dense"})).add(Dense({.units = 3}));
  EXPECT_THAT(layer_names(model), ElementsAre("dense", "dense_1"));
  EXPECT_EQ(message_of([&] { model.add(Dense({.units = 3, .name = "dense_1"})); }),
            "Sequential \"digits\": two layers named \"dense_1\"; give one of them another name");
  EXPECT_EQ(model.layers().size(), 2u);
}

TEST(SequentialTest, VariablesLieInTheOrderOfKerasWeightsWithoutGaps) {
  const Sequential model = mnist_cnn();
  struct Expected {
    const char* name;
    Shape shape;
  };
  const std::vector<Expected> expected = {
      {"conv2d/kernel", {3, 3, 1, 32}},    {"conv2d/bias", {32}},
      {"conv2d_1/kernel", {3, 3, 32, 32}}, {"conv2d_1/bias", {32}},
      {"dense/kernel", {4608, 225}},       {"dense/bias", {225}},
      {"dense_1/kernel", {225, 10}},       {"dense_1/bias", {10}}};
  const auto& variables = model.parameters().layout().variables();
  ASSERT_EQ(variables.size(), expected.size());
  size_t offset = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(variables[i].name, expected[i].name);
    EXPECT_EQ(variables[i].shape, expected[i].shape);
    EXPECT_EQ(variables[i].offset, offset);
    EXPECT_TRUE(variables[i].trainable);
    offset += variables[i].size();
  }
  EXPECT_EQ(model.parameters().values().size(), offset);
}

TEST(SequentialTest, ALayerThatDoesNotFitIsRefusedAndTheModelStaysAsItWas) {
  Sequential model;
  model.add(Input({28, 28, 1})).add(Flatten());
  EXPECT_EQ(message_of<ShapeError>([&] { model.add(Conv2D({.filters = 1, .kernel_size = 3})); }),
            "Conv2D \"conv2d\": expected an input of rank 3, [H, W, C] (without the batch), got "
            "[784]");
  EXPECT_EQ(model.layers().size(), 1u);
  model.add(Dense({.units = 2}));
  EXPECT_EQ(model.output_shape(), Shape({2}));
}

TEST(SequentialTest, SizesThatNoMachineHoldsAreRefusedInsteadOfOverflowing) {
  Sequential model;
  model.add(Input({2000000000}));
  EXPECT_EQ(message_of<ShapeError>([&] { model.add(Dense({.units = 2000000000})); }),
            "Dense \"dense\": weight \"kernel\" [2000000000, 2000000000]: no size may be 0 and "
            "none so large");
  EXPECT_THROW(Input({1 << 30, 1 << 30, 1 << 30}), ShapeError);
}

// 2^40 parameters: countable, but 8 TB for a model and its replica.
TEST(SequentialTest, WeightsThatThisMachineCannotHoldAreRefusedBeforeTheyAreMade) {
  Sequential large;
  large.add(Input({1 << 10, 1, 1 << 10}));
  EXPECT_THAT(message_of<ShapeError>(
                  [&] { large.add(Conv2D({.filters = (1 << 30) - 1, .kernel_size = 1})); }),
              testing::MatchesRegex("Conv2D \"conv2d\": with its weights the model has "
                                    "1100585368575 parameters, which take 8.01 TB when it is used; "
                                    "this process may have .* of memory"));
  EXPECT_EQ(large.layers().size(), 0u);
  EXPECT_EQ(large.count_params(), 0u);
}

TEST(SequentialTest, InputMustComeFirst) {
  Sequential model;
  model.add(Input({4}));
  EXPECT_EQ(message_of([&] { model.add(Input({4})); }),
            "Sequential \"sequential\": Input must be the first layer, and the only one");
  Sequential without;
  without.add(Flatten());
  EXPECT_THROW(without.add(Input({4})), std::invalid_argument);
}

TEST(SequentialTest, WithoutInputAModelIsNotBuilt) {
  Sequential model;
  model.add(Dense({.units = 3}));
  EXPECT_FALSE(model.built());
  EXPECT_EQ(model.count_params(), 0u);
  EXPECT_EQ(message_of<ShapeError>([&] { model.input_shape(); }),
            "Sequential \"sequential\": the input shape is not known; add an Input first");
  EXPECT_THROW(model.output_shape(), ShapeError);
}

TEST(SequentialTest, ModelsStartWithTheWeightsOfSeedZero) {
  Sequential model = all_layers();
  const Sequential fresh = model;
  model.initialize(0);
  EXPECT_THAT(model.parameters().values(), ElementsAreArray(fresh.parameters().values()));
}

TEST(SequentialTest, TheSameSeedGivesTheSameWeightsAndAnotherSeedOthers) {
  Sequential a = all_layers();
  Sequential b = all_layers();
  a.initialize(5);
  b.initialize(9);
  EXPECT_NE(weights_of(a, "probs/kernel"), weights_of(b, "probs/kernel"));
  b.initialize(5);
  EXPECT_THAT(a.parameters().values(), ElementsAreArray(b.parameters().values()));
}

TEST(SequentialTest, AVariablesWeightsDependOnItsNameAndNotOnItsNeighbours) {
  Sequential alone;
  alone.add(Input({6})).add(Dense({.units = 4, .name = "top"}));
  Sequential behind;
  behind.add(Input({9})).add(Dense({.units = 6})).add(Dense({.units = 4, .name = "top"}));
  EXPECT_EQ(weights_of(alone, "top/kernel"), weights_of(behind, "top/kernel"));

  Sequential twins;
  twins.add(Input({6})).add(Dense({.units = 6})).add(Dense({.units = 6}));
  EXPECT_NE(weights_of(twins, "dense/kernel"), weights_of(twins, "dense_1/kernel"));
}

// Worked out from core/rng.h's description by a second implementation, in Python: limit sqrt(1.5),
// stream FNV-1a("dense/kernel"). Weights must not change between releases and machines.
TEST(SequentialTest, TheWeightsOfASeedAreFixed) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2}));
  model.initialize(1);
  EXPECT_THAT(weights_of(model, "dense/kernel"),
              ElementsAre(0x1.99a68p-6f, -0x1.8b1c8p-4f, -0x1.3e184p-5f, -0x1.1d8bccp+0f));
}

TEST(SequentialTest, InitializersOfEachWeightAreUsed) {
  const Sequential model = all_layers();
  EXPECT_THAT(weights_of(model, "first/bias"), Each(0.0f));
  EXPECT_THAT(weights_of(model, "dense/bias"), Each(1.0f));
  // he_normal with fan_in 3 * 5 * 3 = 45: cut at 2 / 0.8796 * sqrt(2 / 45) = 0.4793.
  EXPECT_THAT(weights_of(model, "first/kernel"),
              Each(testing::AllOf(testing::Ge(-0.4794f), testing::Le(0.4794f))));
  EXPECT_THAT(weights_of(model, "first/kernel"), Not(Each(0.0f)));
}

TEST(SequentialTest, AddingALayerKeepsTheWeightsThatAreThere) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2}));
  for (float& value : model.parameters().values()) value = 42;
  model.add(Dense({.units = 1}));
  EXPECT_THAT(weights_of(model, "dense/kernel"), Each(42.0f));
  EXPECT_THAT(weights_of(model, "dense_1/kernel"), Not(Each(42.0f)));
}

TEST(SequentialTest, CopiesAreDeep) {
  Sequential original = all_layers();
  Sequential copy = original;
  EXPECT_EQ(copy.to_json(), original.to_json());
  EXPECT_THAT(copy.parameters().values(), ElementsAreArray(original.parameters().values()));

  const float before = original.parameters().values()[0];
  copy.parameters().values()[0] = before + 1;
  copy.add(Dense({.units = 2}));
  EXPECT_EQ(original.parameters().values()[0], before);
  EXPECT_EQ(original.layers().size() + 1, copy.layers().size());

  original = copy;
  EXPECT_EQ(original.parameters().values()[0], before + 1);
  EXPECT_NE(original.layers()[0].get(), copy.layers()[0].get());
}

}  // namespace
}  // namespace sluice::nn
