#include "train/builtin_models.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/parameter_set.h"
#include "sluice/errors.h"

namespace sluice::train {
namespace {

// Counted by hand: 320 + 9,248 + (4,608 + 1) 225 + (225 + 1) 10.
TEST(BuiltinModelsTest, MnistCnnHasTheParametersOfDistKerasExample) {
  EXPECT_EQ(make_model("mnist_cnn", 1).count_params(), 1048853u);
}

// (784 + 1) 1000 + (1000 + 1) 250 + (250 + 1) 10.
TEST(BuiltinModelsTest, MnistMlpHasTheParametersOfDistKerasNotebook) {
  EXPECT_EQ(make_model("mnist_mlp", 1).count_params(), 1037760u);
}

TEST(BuiltinModelsTest, AnythingElseIsAFileWithKerasJson) {
  const std::string path = testing::TempDir() + "/model.json";
  std::ofstream(path) << make_model("mnist_cnn", 1).to_json();
  EXPECT_EQ(make_model(path, 1).count_params(), 1048853u);
}

TEST(BuiltinModelsTest, ASavedModelBeginsWithItsWeightsAndOthersWithDrawnOnes) {
  const std::string path = testing::TempDir() + "/model.sluice";
  const auto first_weight = [](Model model) { return model.parameters().values().front(); };
  Model trained = make_model("mnist_mlp", 1);
  trained.parameters().values().front() = 42;
  trained.save_weights(path);
  EXPECT_EQ(first_weight(make_model(path, 2)), 42);
  EXPECT_EQ(first_weight(make_model("mnist_mlp", 3)), first_weight(make_model("mnist_mlp", 3)));
  EXPECT_NE(first_weight(make_model("mnist_mlp", 3)), first_weight(make_model("mnist_mlp", 4)));
}

TEST(BuiltinModelsTest, AnEmptyFileIsSaidToBeEmpty) {
  const std::string path = testing::TempDir() + "/empty.json";
  std::ofstream{path};
  try {
    make_model(path, 1);
    FAIL();
  } catch (const RuntimeError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path + ": is empty"));
  }
}

TEST(BuiltinModelsTest, AModelThatCannotBeTrainedIsNamedWithItsFile) {
  const std::string path = testing::TempDir() + "/unbuilt.json";
  const auto refusal = [&](const std::string& layers) -> std::string {
    std::ofstream(path) << R"({"class_name": "Sequential", "config": {"layers": [)" + layers +
                               "]}}";
    try {
      make_model(path, 1);
      return "";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal(""), path +
                             ": model JSON: \"layers\": expected at least one layer behind the "
                             "input");
  EXPECT_EQ(refusal(R"({"class_name": "Flatten", "config": {}})"),
            path +
                ": model JSON: no layer says the input's shape: add an InputLayer before "
                "to_json()");
}

TEST(BuiltinModelsTest, FileThatIsNoModelIsNamed) {
  const std::string path = testing::TempDir() + "/not-a-model.json";
  std::ofstream(path) << "[1, 2";
  try {
    make_model(path, 1);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path));
  }
  EXPECT_THROW(make_model("/nowhere/model.json", 1), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::train
