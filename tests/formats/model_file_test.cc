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

using testing::AllOf;
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

TEST_F(ModelFileTest, WeightsBringThePreprocessingUnlessTheModelHasItsOwn) {
  const Model saved = small_model();
  for (const char* name : {"m.sluice", "m.keras", "m.h5", "m.weights.h5", "m.onnx"}) {
    SCOPED_TRACE(name);
    saved.save(path(name));
    Model model = name == std::string_view("m.onnx") ? load_model(path(name)) : small_model();
    model.set_preprocessing(std::nullopt);
    model.load_weights(path(name));
    EXPECT_EQ(model.preprocessing(), saved.preprocessing());
    Preprocessing own = *saved.preprocessing();
    own.scale = 0.5f;
    model.set_preprocessing(own);
    testing::internal::CaptureStderr();
    model.load_weights(path(name));
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("something else of what was done to the records"));
    EXPECT_EQ(model.preprocessing(), own);
    own.scale.reset();
    model.set_preprocessing(own);
    model.load_weights(path(name));
    EXPECT_EQ(model.preprocessing(), saved.preprocessing());
  }
}

TEST_F(ModelFileTest, AScaleThatIsNotKnownStaysUnknown) {
  Model model = small_model();
  model.set_preprocessing(Preprocessing{.sample_shape = {4, 4, 1}, .scale = std::nullopt});
  for (const char* name : {"m.sluice", "m.keras", "m.h5", "m.onnx"}) {
    model.save(path(name));
    EXPECT_EQ(load_model(path(name)).preprocessing(), model.preprocessing()) << name;
  }
}

TEST_F(ModelFileTest, WeightsAloneAreNoModel) {
  small_model().save(path("m.weights.h5"));
  EXPECT_THAT(message_of<RuntimeError>([&] { read_model(path("m.weights.h5")); }),
              AllOf(StartsWith(path("m.weights.h5") + ": "), HasSubstr("this file by --weights")));
}

TEST_F(ModelFileTest, ModelsOfOtherProgramsAreNamed) {
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(path(name), std::ios::binary) << bytes;
    const std::string message = message_of<RuntimeError>([&] { read_model(path(name)); });
    EXPECT_THAT(message, StartsWith(path(name) + ": "));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message;
  };
  const auto bytes = [](const auto& literal) { return std::string(literal, sizeof literal - 1); };
  // As torch.save() writes them, now and before 1.6, without what follows.
  EXPECT_THAT(refused("m.pt", bytes("PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                    "\x0a\0\0\0m/data.pkl")),
              HasSubstr("PyTorch's own file"));
  EXPECT_THAT(refused("m.pth", bytes("\x80\x02\x8a\nl\xfc")), HasSubstr("torch.onnx.export()"));
  EXPECT_THAT(refused("saved_model.pb", bytes("\x08\x01\x12\xa2\xa4\x06\n\x07")),
              HasSubstr("SavedModel"));
  EXPECT_THAT(refused("graph.pb", bytes("\n\x20\n\x05x")), HasSubstr("graph of TensorFlow"));
  EXPECT_THAT(refused("m.tflite", bytes("\x1c\0\0\0TFL3")), HasSubstr("TensorFlow Lite"));
  EXPECT_THAT(refused("m.safetensors", bytes("\x0b\0\0\0\0\0\0\0{\"a\": null}")),
              HasSubstr("(safetensors)"));
  small_model().save(path("1/"));
  EXPECT_THAT(message_of<RuntimeError>([&] { read_model(path("1")); }), HasSubstr("SavedModel"));
  std::filesystem::create_directory(path("2"));
  EXPECT_THAT(message_of<RuntimeError>([&] { read_model(path("2")); }), HasSubstr("is a folder"));
}

TEST_F(ModelFileTest, NamesSayTheFormatAndOthersAreRefused) {
  EXPECT_EQ(*format_of_name("a.weights.h5"), Format::kWeightsH5);
  EXPECT_EQ(*format_of_name("a.b.h5"), Format::kH5);
  EXPECT_EQ(*format_of_name("models/1/"), Format::kSavedModel);
  EXPECT_EQ(*format_of_name("a.onnx"), Format::kOnnx);
  EXPECT_EQ(*format_of_name("a.KERAS"), Format::kKeras);
  for (const char* name : {"keras", "m.sluice", "m.ckpt", "m.bin", "run.2", "a.b/model"}) {
    EXPECT_EQ(*format_of_name(name), Format::kSluice) << name;
  }
  for (const auto& [name, meant] :
       {std::pair("m.kears", "did you mean m.keras?"),
        std::pair("m.weights", "did you mean m.weights.h5?"),
        std::pair("m.hdf", "did you mean m.hdf5?"), std::pair("m.onnx.gz", "does not write .gz")}) {
    EXPECT_THAT(format_of_name(name).status().message(), HasSubstr(meant));
  }
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
  EXPECT_EQ(
      there.write(model).message(),
      "cannot write " + path("1/") + ": it is there already; remove it, or choose another name");
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
