// Models as Keras wrote them, with the numbers that Keras computed (reference.py): those of
// tests/keras/golden, or of the folder $SLUICE_KERAS_CASES; into its folder "written" goes what we
// write of each (compare_random.py).
//
// On the device that $SLUICE_TEST_DEVICE names; without it on the CPU.
#include "tests/keras/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backend/replica.h"
#include "core/parameter_set.h"
#include "loss/loss_json.h"
#include "nn/lowering.h"
#include "optim/optimizer_json.h"
#include "sluice/model.h"

namespace sluice {
namespace {

const char* device() {
  const char* name = std::getenv("SLUICE_TEST_DEVICE");
  return name != nullptr ? name : "cpu";
}

using keras::floats_of;
using keras::Json;

class Golden {
 public:
  explicit Golden(const Json& json) : json_(json) {}

  Model model(const char* version) const { return Model::from_json(json_.at(version).dump()); }
  bool has(const char* version) const { return json_.contains(version); }
  bool has_number(const std::string& name) const { return json_.at("numbers").contains(name); }
  int64_t batch() const { return json_.at("batch"); }
  int steps() const { return json_.value("steps", 3); }
  std::vector<float> floats(const char* name) const { return floats_of(json_.at(name)); }
  backend::Graph graph() const {
    const Model model = this->model("keras3");
    const Json& tasks = json_.at("loss_function");
    if (tasks.is_string()) return nn::lower(model, LossSpec(tasks.get<std::string>()));
    std::vector<backend::GraphOutput> outputs;
    for (const Json& task : tasks) {
      outputs.push_back({.loss = task.at("loss").get<LossSpec>(), .weight = task.at("weight")});
    }
    return nn::lower(model, std::move(outputs));
  }
  OptimizerSpec optimizer() const {
    if (!json_.contains("optimizer")) return SGD({.learning_rate = 0.1f});
    return json_.at("optimizer").get<OptimizerSpec>();
  }

  void expect(const std::string& name, std::span<const float> got) const {
    const std::vector<float> expected = floats_of(json_.at("numbers").at(name));
    const double tolerance = keras::tolerance_of(json_, name);
    ASSERT_EQ(got.size(), expected.size()) << name;
    size_t worst = 0;
    const auto error = [&](size_t i) {
      const double difference = std::abs(static_cast<double>(got[i]) - expected[i]);
      return std::isnan(difference) ? INFINITY : difference;
    };
    for (size_t i = 0; i < got.size(); ++i) {
      if (error(i) > error(worst)) worst = i;
    }
    if (got.empty()) return;
    EXPECT_LE(error(worst), tolerance)
        << name << "[" << worst << "] is " << got[worst] << ", Keras' is " << expected[worst];
  }

 private:
  const Json& json_;
};

std::unique_ptr<backend::Replica> compile(const Golden& golden,
                                          std::optional<OptimizerSpec> optimizer) {
  const auto backend = backend::open_backend({.name = device()});
  if (!backend.ok()) throw std::runtime_error(backend.status().to_string());
  auto replica = (*backend)->compile(
      golden.graph(), {.batch_size = golden.batch(), .threads = 2, .optimizer = optimizer});
  const std::vector<float> weights = golden.floats("weights");
  if (weights.size() != replica->parameters().size()) {
    throw std::runtime_error("the model has another number of weights");
  }
  std::copy(weights.begin(), weights.end(), replica->parameters().begin());
  replica->parameters_changed();
  return replica;
}

class GoldenTest : public testing::Test {
 public:
  GoldenTest(const Json& json, std::filesystem::path written)
      : golden_(json), written_(std::move(written)) {}

  void TestBody() override {
    if (golden_.has("keras2")) {
      EXPECT_EQ(golden_.model("keras2").to_json(), golden_.model("keras3").to_json());
    }
    const Model model = golden_.model("keras3");
    EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
    if (!written_.empty()) std::ofstream(written_) << model.to_json();
    compare_outputs();
    if (!golden_.has_number("loss")) return;
    compare_gradients(model);
    compare_training();
  }

 private:
  void compare_outputs() const {
    const auto replica = compile(golden_, std::nullopt);
    const int64_t size = golden_.batch() * replica->graph().output_size();
    std::vector<float> outputs(static_cast<size_t>(size));
    replica->predict(golden_.batch(), golden_.floats("x"), outputs);
    golden_.expect("outputs", outputs);
  }

  void compare_gradients(const Model& model) const {
    const auto replica = compile(golden_, std::nullopt);
    const std::vector<float> x = golden_.floats("x"), y = golden_.floats("y");
    const auto metrics = replica->train_step({golden_.batch(), x, y});
    const auto loss = static_cast<float>(metrics.loss_sum / static_cast<double>(golden_.batch()));
    golden_.expect("loss", std::span(&loss, 1));
    for (const core::Variable& variable : model.parameters().layout().variables()) {
      const auto gradient = replica->gradients().subspan(variable.offset, variable.size());
      const std::string name = "gradients/" + variable.name;
      if (golden_.has_number(name)) {
        golden_.expect(name, gradient);
      } else {
        EXPECT_THAT(gradient, testing::Each(0)) << variable.name << " is not trained";
      }
    }
  }

  void compare_training() const {
    const auto replica = compile(golden_, golden_.optimizer());
    const std::vector<float> x = golden_.floats("x"), y = golden_.floats("y");
    for (int step = 0; step < golden_.steps(); ++step) replica->train_step({golden_.batch(), x, y});
    replica->adopt_averages();
    golden_.expect("trained", replica->parameters());
  }

  const Golden golden_;
  const std::filesystem::path written_;
};

// A test for each case of each file.
bool register_tests() {
  const std::filesystem::path named = keras::named_folder();
  const auto& files = keras::golden_files();
  for (const auto& [name, file] : files) {
    for (const auto& item : file.items()) {
      const Json& json = item.value();
      const auto written = named.empty() ? std::filesystem::path() : named / "written" / item.key();
      testing::RegisterTest(
          name.c_str(), item.key().c_str(), nullptr, nullptr, __FILE__, __LINE__,
          [&json, written]() -> testing::Test* { return new GoldenTest(json, written); });
    }
  }
  return !files.empty();
}
const bool kRegistered = register_tests();

TEST(GoldenFilesTest, AreThere) { EXPECT_TRUE(kRegistered); }

}  // namespace
}  // namespace sluice
