#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/parameter_set.h"
#include "nn/lowering.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using testing::ElementsAre;

// y = power * scale * x, with one learned scale per feature.
class Scale : public CustomLayer {
 public:
  explicit Scale(int64_t power) : power_(power) {}

  std::string class_name() const override { return "Scale"; }
  Config config() const override {
    return Config()
        .set("power", power_)
        .set("note", "kept")
        .set("levels", std::vector<int64_t>{1, 2});
  }
  std::vector<WeightSpec> weights(const Shape& input) const override {
    return {{"scale", input, "ones"}};
  }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Scale>(*this); }

  void forward(const Forward& args) const override {
    for (size_t i = 0; i < args.x.size(); ++i) {
      args.y[i] =
          static_cast<float>(power_) * args.weights[0][i % args.weights[0].size()] * args.x[i];
    }
  }
  void backward(const Backward& args) const override {
    for (float& d : args.dweights[0]) d = 0;
    for (size_t i = 0; i < args.x.size(); ++i) {
      const size_t feature = i % args.weights[0].size();
      args.dweights[0][feature] += static_cast<float>(power_) * args.x[i] * args.dy[i];
      if (!args.dx.empty()) {
        args.dx[i] = static_cast<float>(power_) * args.weights[0][feature] * args.dy[i];
      }
    }
  }

 private:
  int64_t power_;
};

void register_scale_once() {
  static const bool registered = [] {
    register_layer("Scale",
                   [](const Config& c) { return std::make_unique<Scale>(c.get_int("power", 1)); });
    return true;
  }();
  ASSERT_TRUE(registered);
}

TEST(CustomLayerTest, ItsWeightsJoinTheModels) {
  Sequential model;
  model.add(Input({2})).add(Scale(3)).add(Scale(3));
  EXPECT_EQ(model.layers()[1]->name(), "scale_1");
  EXPECT_EQ(model.parameters().layout().variables()[1].name, "scale_1/scale");
  EXPECT_THAT(model.parameters().values(), testing::Each(1.0f));
  EXPECT_EQ(model.count_params(), 4u);
}

TEST(CustomLayerTest, ComesBackFromJsonByItsRegisteredFactory) {
  register_scale_once();
  Sequential model;
  model.add(Input({2})).add(Scale(3));
  const std::string json = model.to_json();
  EXPECT_NE(json.find(R"({"module":null,"class_name":"Scale","config":{"name":"scale",)"
                      R"("trainable":true,"dtype":"float32","power":3,"note":"kept",)"
                      R"("levels":[1,2]},"registered_name":"Scale"})"),
            std::string::npos)
      << json;
  EXPECT_EQ(Model::from_json(json).to_json(), json);
}

TEST(CustomLayerTest, KerasPackagePrefixIsNotPartOfTheName) {
  register_scale_once();
  const Model model = Model::from_json(
      R"({"class_name": "Sequential", "config": {"layers": [
          {"class_name": "Custom>Scale", "config": {"batch_input_shape": [null, 2], "power": 5,
           "something": "else"}}]}})");
  EXPECT_EQ(model.layers()[0]->config().get_int("power", 0), 5);
}

TEST(CustomLayerTest, AClassOfAPackageIsFoundByItsWholeName) {
  register_layer("mylab>Dropout",
                 [](const Config& c) { return std::make_unique<Scale>(c.get_int("power", 0)); });
  for (const char* names : {R"("class_name": "Dropout", "registered_name": "mylab>Dropout")",
                            R"("class_name": "mylab>Dropout")"}) {
    const Model model = Model::from_json(
        std::string(R"({"class_name": "Sequential", "config": {"layers": [{)") + names +
        R"(, "module": null, "config": {"batch_input_shape": [null, 2], "power": 5}}]}})");
    EXPECT_EQ(model.layers()[0]->config().get_int("power", 0), 5);
  }
}

TEST(CustomLayerTest, SettingsThatNoConfigCanHoldAreRefused) {
  register_scale_once();
  EXPECT_EQ(message_of([] {
              Model::from_json(
                  R"({"class_name": "Sequential", "config": {"layers": [
                      {"class_name": "Scale", "config": {"name": "s", "power": {"of": 2}}}]}})");
            }),
            "model JSON: Scale \"s\": power = {\"of\":2}: Sluice does not have this");
}

TEST(CustomLayerTest, NamesCanBeRegisteredOnce) {
  register_scale_once();
  const LayerFactory factory = [](const Config&) { return std::make_unique<Scale>(1); };
  EXPECT_EQ(message_of([&] { register_layer("Scale", factory); }),
            "register_layer(\"Scale\"): there is a layer of this name; choose another");
  EXPECT_THROW(register_layer("Dense", factory), std::invalid_argument);
  EXPECT_THROW(register_layer("InputLayer", factory), std::invalid_argument);
}

TEST(CustomLayerTest, AFactoryThatMakesNothingIsReported) {
  register_layer("Nothing", [](const Config&) { return nullptr; });
  EXPECT_EQ(message_of([] {
              Model::from_json(R"({"class_name": "Sequential", "config": {"layers": [
                                        {"class_name": "Nothing", "config": {"name": "n"}}]}})");
            }),
            "model JSON: Nothing \"n\": the factory registered for \"Nothing\" made no layer");
}

TEST(CustomLayerTest, LowersToAHostKernelThatOutlivesTheModel) {
  backend::Graph graph;
  {
    Sequential model;
    model.add(Input({2})).add(Dense({.units = 2})).add(Scale(3));
    graph = lower(model, MeanSquaredError{});
  }
  ASSERT_EQ(graph.ops.size(), 2u);
  EXPECT_EQ(graph.ops[1].name, "scale");
  const auto& op = std::get<backend::HostOp>(graph.ops[1].kind);
  ASSERT_EQ(op.parameters.size(), 1u);
  EXPECT_EQ(op.parameters[0].offset, 6u);  // behind the dense layer's kernel and bias
  EXPECT_EQ(op.parameters[0].size, 2u);

  const std::vector<float> x = {1, 2, 3, 4};
  const std::vector<float> scale = {10, 100};
  std::vector<float> y(4);
  op.kernel->forward({2, x, {scale}, y, true});
  EXPECT_THAT(y, ElementsAre(30, 600, 90, 1200));

  const std::vector<float> dy = {1, 1, 2, 0};
  std::vector<float> dx(4);
  std::vector<float> dscale(2);
  op.kernel->backward({2, x, y, dy, {scale}, dx, {dscale}});
  EXPECT_THAT(dx, ElementsAre(30, 300, 60, 0));
  EXPECT_THAT(dscale, ElementsAre(3 * (1 + 6), 3 * 2));
}

class BadWeights : public Scale {
 public:
  explicit BadWeights(std::vector<WeightSpec> specs) : Scale(1), specs_(std::move(specs)) {}
  std::vector<WeightSpec> weights(const Shape&) const override { return specs_; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<BadWeights>(*this); }

 private:
  std::vector<WeightSpec> specs_;
};

TEST(CustomLayerTest, ItsWeightsAreChecked) {
  Sequential model;
  model.add(Input({2}));
  EXPECT_EQ(message_of([&] {
              model.add(BadWeights({{"w", {1}}, {"w", {1}}}));
            }),
            "Scale \"scale\": two weights named \"w\"");
  EXPECT_THAT(
      message_of([&] {
        model.add(BadWeights({{"w", {1}, "magic"}}));
      }),
      testing::StartsWith("Scale \"scale\": weight \"w\": initializer = \"magic\": use one of "));
}

}  // namespace
}  // namespace sluice::nn
