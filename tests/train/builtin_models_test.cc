#include "train/builtin_models.h"

#include <gmock/gmock.h>

#include <fstream>

namespace sluice::train {
namespace {

// Counted by hand: 320 + 9,248 + (4,608 + 1) 225 + (225 + 1) 10.
TEST(BuiltinModelsTest, MnistCnnHasTheParametersOfDistKerasExample) {
  EXPECT_EQ(make_model("mnist_cnn").count_params(), 1048853u);
}

// (784 + 1) 1000 + (1000 + 1) 250 + (250 + 1) 10.
TEST(BuiltinModelsTest, MnistMlpHasTheParametersOfDistKerasNotebook) {
  EXPECT_EQ(make_model("mnist_mlp").count_params(), 1037760u);
}

TEST(BuiltinModelsTest, AnythingElseIsAFileWithKerasJson) {
  const std::string path = testing::TempDir() + "/model.json";
  std::ofstream(path) << make_model("mnist_cnn").to_json();
  EXPECT_EQ(make_model(path).count_params(), 1048853u);
}

TEST(BuiltinModelsTest, FileThatIsNoModelIsNamed) {
  const std::string path = testing::TempDir() + "/not-a-model.json";
  std::ofstream(path) << "[1, 2";
  try {
    make_model(path);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path));
  }
  EXPECT_THROW(make_model("/nowhere/model.json"), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::train
