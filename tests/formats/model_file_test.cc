#include "formats/model_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "nn/model_impl.h"
#include "sluice/errors.h"
#include "sluice/layers.h"
#include "tests/errors.h"

namespace sluice::formats {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::StartsWith;

class ModelFileTest : public testing::Test {
 protected:
  ModelFileTest() { std::filesystem::create_directories(folder_); }
  ~ModelFileTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("sluice-model-file-" + std::to_string(getpid()));
};

Model small_model() {
  Sequential model("small");
  model.add(Input({4, 4, 1}))
      .add(Conv2D({.filters = 2, .kernel_size = {3, 3}, .activation = "relu"}))
      .add(Flatten())
      .add(Dense({.units = 3, .activation = "softmax"}));
  model.initialize(5);
  model.set_preprocessing(
      Preprocessing{.sample_shape = {4, 4, 1}, .scale = 0.25f, .class_names = {"a", "b", "c"}});
  model.impl().training = nn::TrainingState{.optimizer = "adam", .loss = "mse", .metrics = {}};
  return model;
}

TEST_F(ModelFileTest, EveryFormatThatIsReadBringsEverythingBack) {
  const Model saved = small_model();
  for (const auto& [name, format] :
       {std::pair("m.sluice", Format::kSluice), std::pair("m.keras", Format::kKeras),
        std::pair("m.h5", Format::kH5), std::pair("m.hdf5", Format::kH5)}) {
    SCOPED_TRACE(name);
    saved.save(path(name));
    // Whatever it is called.
    std::filesystem::rename(path(name), path("any"));
    const ModelFile read = read_model(path("any"));
    EXPECT_EQ(read.format, format);
    EXPECT_TRUE(read.has_weights);
    EXPECT_EQ(read.model.to_json(), saved.to_json());
    EXPECT_THAT(read.model.parameters().values(), ElementsAreArray(saved.parameters().values()));
    EXPECT_EQ(read.model.preprocessing(), saved.preprocessing());
  }
}

TEST_F(ModelFileTest, OnnxBringsLayersWeightsAndPreprocessing) {
  const Model saved = small_model();
  saved.save(path("m.onnx"));
  const ModelFile read = read_model(path("m.onnx"));
  EXPECT_EQ(read.format, Format::kOnnx);
  EXPECT_THAT(read.model.parameters().values(), ElementsAreArray(saved.parameters().values()));
  EXPECT_EQ(read.model.preprocessing(), saved.preprocessing());
}

TEST_F(ModelFileTest, LayersAloneHaveTheWeightsOfSeed0) {
  const Model saved = small_model();
  saved.save(path("m.json"));
  const ModelFile read = read_model(path("m.json"));
  EXPECT_EQ(read.format, Format::kJson);
  EXPECT_FALSE(read.has_weights);
  EXPECT_EQ(read.model.to_json(), saved.to_json());
  Model other = small_model();
  other.initialize(0);
  EXPECT_THAT(read.model.parameters().values(), ElementsAreArray(other.parameters().values()));
}

TEST_F(ModelFileTest, WeightsComeFromAnyFileThatHasSome) {
  const Model saved = small_model();
  for (const char* name : {"m.sluice", "m.keras", "m.h5", "m.weights.h5"}) {
    SCOPED_TRACE(name);
    saved.save(path(name));
    Model model = small_model();
    model.initialize(6);
    model.load_weights(path(name));
    EXPECT_THAT(model.parameters().values(), ElementsAreArray(saved.parameters().values()));
  }
  saved.save(path("m.json"));
  Model model = small_model();
  EXPECT_EQ(message_of<RuntimeError>([&] { model.load_weights(path("m.json")); }),
            path("m.json") +
                ": has layers alone, no weights: Keras writes these with model.save() or "
                "save_weights()");
}

TEST_F(ModelFileTest, WeightsAloneAreNoModel) {
  small_model().save(path("m.weights.h5"));
  EXPECT_THAT(message_of<RuntimeError>([&] { read_model(path("m.weights.h5")); }),
              StartsWith(path("m.weights.h5") + ": "));
}

TEST_F(ModelFileTest, NamesSayTheFormatAndOthersAreRefused) {
  EXPECT_EQ(*format_of_name("a.weights.h5"), Format::kWeightsH5);
  EXPECT_EQ(*format_of_name("a.b.h5"), Format::kH5);
  EXPECT_EQ(*format_of_name("models/1/"), Format::kSavedModel);
  EXPECT_EQ(*format_of_name("a.onnx"), Format::kOnnx);
  EXPECT_EQ(*format_of_name("keras"), Format::kSluice);
  for (const char* name : {"m.pb", "m.tflite", "m.pt", "m.safetensors", "m.npz"}) {
    EXPECT_THAT(message_of<std::invalid_argument>([&] { small_model().save(path(name)); }),
                HasSubstr("Sluice does not write ."))
        << name;
    EXPECT_FALSE(std::filesystem::exists(path(name)));
  }
}

TEST_F(ModelFileTest, WhatCannotBeWrittenIsSaidBeforehand) {
  const Model model = small_model();
  ModelOutput nowhere(path("missing/m.keras"));
  EXPECT_THAT(nowhere.check().message(), HasSubstr("No such file or directory"));
  std::filesystem::create_directory(path("1"));
  ModelOutput there(path("1/"));
  EXPECT_FALSE(there.check().ok());
  ModelOutput fine(path("m.onnx"));
  EXPECT_TRUE(fine.check(model).ok());
  EXPECT_FALSE(std::filesystem::exists(path("m.onnx")));
}

TEST_F(ModelFileTest, WhatIsNoModelIsNamed) {
  std::ofstream(path("x")) << "GIF89a";
  EXPECT_EQ(message_of<RuntimeError>([&] { read_model(path("x")); }),
            path("x") +
                ": is of no format that is known here; expected a model: Keras' .keras, .h5 or "
                "JSON, ONNX, or what Sluice has saved");
  std::ofstream(path("y")) << "PK\x03\x04 and no zip";
  EXPECT_THAT(message_of<RuntimeError>([&] { read_model(path("y")); }),
              StartsWith(path("y") + ": "));
}

}  // namespace
}  // namespace sluice::formats
