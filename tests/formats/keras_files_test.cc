#include "formats/keras_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/log.h"
#include "core/parameter_set.h"
#include "core/rng.h"
#include "formats/hdf5_writer.h"
#include "formats/zip_reader.h"
#include "formats/zip_writer.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"
#include "sluice/layers.h"
#include "tests/errors.h"

namespace sluice::formats {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::string keras_file(const std::string& name) {
  std::ifstream in(SLUICE_SOURCE_DIR "/tests/keras/files/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Sequential small_model(int64_t units = 2) {
  Sequential model("small");
  model.add(Input({3})).add(Dense({.units = 4})).add(Dense({.units = units}));
  return model;
}

std::string member_of(const std::string& archive, const char* name) {
  std::string storage;
  const auto bytes = ZipReader(archive).read(name, storage);
  return {bytes.begin(), bytes.end()};
}

std::string archive_of(const std::string& config, const std::string& weights) {
  ZipWriter archive;
  archive.add("config.json", config);
  archive.add("model.weights.h5", weights);
  return std::move(archive).finish();
}

TEST(KerasFilesTest, NamesTheLayerWhoseWeightsDoNotFit) {
  Model other = small_model(5);
  const std::vector<float> before(other.parameters().values().begin(),
                                  other.parameters().values().end());
  EXPECT_THAT(
      message_of<RuntimeError>([&] { load_h5_weights(weights_h5_bytes(small_model()), other); }),
      AllOf(HasSubstr("Dense \"dense_1\" has [4, 2]"), HasSubstr("kernel [4, 5]")));
  EXPECT_THAT(message_of<RuntimeError>([&] { load_h5_weights(h5_bytes(small_model()), other); }),
              AllOf(HasSubstr("Dense \"dense_1\" has [4, 2]"), HasSubstr("kernel [4, 5]")));
  EXPECT_THAT(other.parameters().values(), testing::ElementsAreArray(before));
}

TEST(KerasFilesTest, SaysThatAFileHasOtherLayers) {
  Sequential larger = small_model();
  larger.add(Dense({.units = 2}));
  Model model = small_model();
  const auto message = [](const std::string& file, Model& into) {
    return message_of<RuntimeError>([&] { load_h5_weights(file, into); });
  };
  EXPECT_THAT(message(weights_h5_bytes(larger), model), HasSubstr("\"layers/dense_2\""));
  EXPECT_THAT(message(h5_bytes(larger), model), HasSubstr("of 3 layers, and the model has 2"));
  EXPECT_THAT(message(weights_h5_bytes(model), larger),
              HasSubstr("Dense \"dense_2\" has 0 of them"));
}

TEST(KerasFilesTest, LeavesOutALossThatSluiceDoesNotHave) {
  Sequential model = small_model();
  model.impl().training = nn::TrainingState{};
  const std::string file = keras_bytes(model);
  Json config = Json::parse(member_of(file, "config.json"));
  config["compile_config"]["loss"] = {{"module", "mylab"},
                                      {"class_name", "MyLoss"},
                                      {"config", Json::object()},
                                      {"registered_name", "mylab>MyLoss"}};
  const Model read = parse_keras(archive_of(config.dump(), member_of(file, "model.weights.h5")));
  EXPECT_FALSE(read.impl().training.has_value());
  EXPECT_THAT(read.parameters().values(), testing::ElementsAreArray(model.parameters().values()));
}

// Keras names what such a model takes and gives, and the losses, by keys.
TEST(KerasFilesTest, KeepsTheDictionariesThatAModelTakesAndGives) {
  const Input a({3}, {.name = "a"}), b({2}, {.name = "b"});
  const SymbolicTensor both = Concatenate({.name = "both"})({a, b});
  const Model list(
      {a, b}, {Dense({.units = 2, .name = "c"})(both), Dense({.units = 1, .name = "d"})(both)});
  Json json = Json::parse(list.to_json());
  const Json inputs = {{"x", {"a", 0, 0}}, {"y", {"b", 0, 0}}};
  const Json outputs = {{"p", {"c", 0, 0}}, {"q", {"d", 0, 0}}};
  json["config"]["input_layers"] = inputs;
  json["config"]["output_layers"] = outputs;
  Model model = Model::from_json(json.dump());
  model.impl().training =
      nn::TrainingState{.losses = {{"c", "mse"}, {"d", "mae"}}, .loss_weights = {{"d", 0.5}}};
  const std::string file = keras_bytes(model);

  const Json config = Json::parse(member_of(file, "config.json"));
  EXPECT_EQ(config["config"]["input_layers"], inputs);
  EXPECT_EQ(config["config"]["output_layers"], outputs);
  EXPECT_EQ(config["compile_config"]["loss"]["q"], "mean_absolute_error");
  EXPECT_EQ(config["compile_config"]["loss_weights"], Json::parse(R"({"p": 1.0, "q": 0.5})"));
  for (const Model& again : {parse_keras(file), parse_h5(h5_bytes(model))}) {
    EXPECT_EQ(again.output_names(), (std::vector<std::string>{"c", "d"}));
    EXPECT_EQ(again.impl().training->losses.at("d"), LossSpec("mae"));
    EXPECT_EQ(Json::parse(again.to_json())["config"]["output_layers"], outputs);
  }
}

TEST(KerasFilesTest, LeavesOutMetricsAndAnOptimizerThatSluiceDoesNotHaveAndKeepsTheLoss) {
  Sequential model = small_model();
  model.impl().training = nn::TrainingState{.optimizer = "sgd", .loss = "mse", .metrics = {"mae"}};
  const std::string file = keras_bytes(model);
  Json config = Json::parse(member_of(file, "config.json"));
  config["compile_config"]["metrics"].push_back({{"module", "mylab"},
                                                 {"class_name", "Mine"},
                                                 {"config", Json::object()},
                                                 {"registered_name", "mylab>Mine"}});
  config["compile_config"]["optimizer"]["class_name"] = "Adafactor";
  testing::internal::CaptureStderr();
  const Model read = parse_keras(archive_of(config.dump(), member_of(file, "model.weights.h5")));
  const std::string warned = testing::internal::GetCapturedStderr();
  EXPECT_THAT(warned, AllOf(HasSubstr("a metric of the model's file is left out"),
                            HasSubstr("the optimizer of the model's file is left out")));
  ASSERT_TRUE(read.impl().training.has_value());
  EXPECT_EQ(read.impl().training->loss, LossSpec("mse"));
  EXPECT_EQ(read.impl().training->metrics, std::vector<std::string>{"mae"});
  EXPECT_EQ(read.impl().training->optimizer, OptimizerSpec("adam"));
}

TEST(KerasFilesTest, TakesTheOptimizerOutOfTheScalingOfMixedPrecision) {
  Sequential model = small_model();
  model.impl().training = nn::TrainingState{.optimizer = "sgd(learning_rate=0.5)"};
  const std::string file = keras_bytes(model);
  Json config = Json::parse(member_of(file, "config.json"));
  Json& optimizer = config["compile_config"]["optimizer"];
  optimizer = {{"module", "keras.optimizers"},
               {"class_name", "LossScaleOptimizer"},
               {"config", {{"inner_optimizer", optimizer}, {"initial_scale", 32768.0}}},
               {"registered_name", nullptr}};
  const Model read = parse_keras(archive_of(config.dump(), member_of(file, "model.weights.h5")));
  EXPECT_EQ(read.impl().training->optimizer, OptimizerSpec("sgd(learning_rate=0.5)"));
}

// What Keras writes of optimizer.variables as long as nothing was trained.
TEST(KerasFilesTest, AnOptimizerThatHasNeverSteppedBeginsAnewWithoutAWord) {
  Sequential model = small_model();
  model.impl().training = nn::TrainingState{.optimizer = "sgd"};
  const std::string file = keras_bytes(model);
  Json config = Json::parse(member_of(file, "config.json"));
  config["compile_config"]["optimizer"]["config"]["momentum"] = 0.9;
  testing::internal::CaptureStderr();
  const Model read = parse_keras(archive_of(config.dump(), member_of(file, "model.weights.h5")));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(read.impl().training->optimizer.hyperparameters.at("momentum"), 0.9f);
}

TEST(KerasFilesTest, RefusesALayersNameThatHdf5TakesForTheGroupAroundIt) {
  Sequential model;
  model.add(Input({3})).add(Dense({.units = 2, .name = "."}));
  EXPECT_THAT(message_of<RuntimeError>([&] { h5_bytes(model); }), HasSubstr("no name \".\""));
}

TEST(KerasFilesTest, KeepsWhatWeightDecayLeavesOut) {
  Sequential model = small_model();
  model.impl().training = nn::TrainingState{
      .optimizer = AdamW({.weight_decay = 0.1f, .exclude_from_weight_decay = {"bias"}})};
  const Model read = parse_keras(keras_bytes(model));
  EXPECT_EQ(read.impl().training->optimizer, model.impl().training->optimizer);
}

TEST(KerasFilesTest, BeginsTheOptimizerAnewWhenItsVariablesAreAnothers) {
  Sequential model = small_model();
  model.impl().training = nn::TrainingState{.optimizer = "adam"};
  model.impl().training->optimizer_state.iterations = 5;
  const std::string file = keras_bytes(model);
  Json config = Json::parse(member_of(file, "config.json"));
  config["compile_config"]["optimizer"]["class_name"] = "Lion";
  config["compile_config"]["optimizer"]["config"] = Json::object();
  const Model read = parse_keras(archive_of(config.dump(), member_of(file, "model.weights.h5")));
  ASSERT_TRUE(read.impl().training.has_value());
  EXPECT_EQ(read.impl().training->optimizer.name, "lion");
  EXPECT_EQ(read.impl().training->optimizer_state.iterations, 0);
}

TEST(KerasFilesTest, SplitsListsThatAreTooLongForOneAttribute) {
  Sequential model("long");
  model.add(Input({1}));
  for (int i = 0; i < 4100; ++i) {
    model.add(Activation("linear", {.name = "l" + std::to_string(i)}));
  }
  model.add(Dense({.units = 1}));
  Model read = parse_h5(h5_bytes(model));
  EXPECT_THAT(read.parameters().values(), testing::ElementsAreArray(model.parameters().values()));
}

TEST(KerasFilesTest, SaysWhatIsMissing) {
  const std::string input = R"({"class_name": "InputLayer", "config": {"batch_shape": [null, 3]}})";
  for (const auto& [layer, what] :
       {std::pair(input, "any layer behind its input"),
        std::pair(std::string(R"({"class_name": "Flatten", "config": {}})"),
                  "its input's shape")}) {
    const std::string config =
        R"({"class_name": "Sequential", "config": {"name": "m", "layers": [)" + layer + "]}}";
    EXPECT_THAT(message_of<RuntimeError>([&] { parse_keras(archive_of(config, "")); }),
                HasSubstr(std::string("has the model \"m\" without ") + what));
  }
  ZipWriter empty;
  empty.add("a", "");
  const std::string archive = std::move(empty).finish();
  EXPECT_THAT(message_of<RuntimeError>([&] { parse_keras(archive); }),
              HasSubstr("has no \"config.json\""));
  Hdf5Writer writer(0);
  writer.add_group("data");
  const std::string hdf5 = std::move(writer).finish();
  EXPECT_THAT(message_of<RuntimeError>([&] { parse_h5(hdf5); }), HasSubstr("\"model_config\""));
  Model model = small_model();
  EXPECT_THAT(message_of<RuntimeError>([&] { load_h5_weights(hdf5, model); }),
              HasSubstr("has no weights as Keras writes them"));
}

TEST(KerasFilesTest, NamesThatWouldBreakALineAreRefused) {
  std::string file = h5_bytes(small_model());
  for (size_t at = 0; (at = file.find("dense_1", at)) != std::string::npos; at += 7)
    file[at] = '\n';
  Model model = small_model();
  EXPECT_EQ(message_of<RuntimeError>([&] { load_h5_weights(file, model); }),
            "is damaged: \"layer_names\" has control characters");
}

// --- Damage ---

void try_to(const std::function<void()>& read) {
  try {
    read();
  } catch (const std::invalid_argument&) {
  } catch (const RuntimeError&) {
  }
}

int64_t peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

class DamagedFileTest : public testing::TestWithParam<const char*> {
 protected:
  DamagedFileTest() { log::set_level("off"); }
  ~DamagedFileTest() override { log::set_level("info"); }

  // Checksums hold, as they do in what somebody has made on purpose.
  static void read(const std::string& bytes, const std::string& config) {
    Model model = small_model();
    try_to([&] { parse_h5(bytes); });
    try_to([&] { load_h5_weights(bytes, model); });
    try_to([&] { parse_keras(bytes); });
    if (!config.empty()) try_to([&] { parse_keras(archive_of(config, bytes)); });
  }
};

TEST_P(DamagedFileTest, IsRefusedOrReadWhereverItIsCutOrChanged) {
  const std::string name = GetParam();
  std::string bytes = keras_file(name), config;
  if (name.ends_with(".keras")) {
    config = member_of(bytes, "config.json");
    for (size_t cut = 0; cut < 50; ++cut) {
      const std::string part = bytes.substr(0, bytes.size() * cut / 50);
      EXPECT_NE(message_of<RuntimeError>([&] { parse_keras(part); }), "nothing was thrown");
    }
    bytes = member_of(bytes, "model.weights.h5");
  }
  const int64_t before = peak_memory_kib();
  for (size_t cut = 0; cut < 50; ++cut) read(bytes.substr(0, bytes.size() * cut / 50), config);
  core::Rng rng(1, {2});
  for (int i = 0; i < 1000; ++i) {
    std::string changed = bytes;
    changed[rng.next() % changed.size()] = static_cast<char>(rng.next());
    read(changed, config);
  }
  EXPECT_LT(peak_memory_kib() - before, 512 << 10);
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedFileTest,
                         testing::Values("cnn.keras", "cnn.h5", "cnn.weights.h5",
                                         "keras2_cnn.weights_legacy.h5"));

}  // namespace
}  // namespace sluice::formats
