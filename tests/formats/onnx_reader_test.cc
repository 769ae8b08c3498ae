// Files of PyTorch (golden/, written by tests/keras/make_onnx.py), and our own.
#include "formats/onnx_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/parameter_set.h"
#include "formats/onnx_writer.h"
#include "nn/model_impl.h"
#include "tests/formats/outputs.h"
#include "tests/nn/models.h"

namespace sluice::formats {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kGolden = SLUICE_SOURCE_DIR "/tests/formats/golden";

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int count(const Model& model, const std::string& class_name) {
  return static_cast<int>(std::ranges::count(
      model.layers(), class_name, [](const auto& layer) { return layer->class_name(); }));
}

class TorchTest : public testing::TestWithParam<std::string> {
 protected:
  static constexpr int64_t kBatch = 2;
  const Model model_ = parse_onnx(read(kGolden / (GetParam() + ".onnx")), "");
};

TEST_P(TorchTest, GivesWhatItGaveThere) {
  const std::string bytes = read(kGolden / (GetParam() + ".bin"));
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  size_t inputs = 0;
  for (const Shape& shape : model_.input_shapes()) {
    inputs += static_cast<size_t>(kBatch * shape.size());
  }
  ASSERT_LT(inputs, numbers.size());
  const std::vector<float> got = outputs_of(model_, kBatch, std::span(numbers).first(inputs));
  // There an output comes behind another, here those of a sample are together.
  std::vector<float> expected(got.size());
  ASSERT_EQ(numbers.size(), inputs + got.size());
  size_t at = 0, from = inputs;
  const size_t row = got.size() / kBatch;
  for (const Shape& shape : model_.output_shapes()) {
    const auto size = static_cast<size_t>(shape.size());
    for (size_t k = 0; k < kBatch; ++k, from += size) {
      std::copy_n(numbers.begin() + static_cast<std::ptrdiff_t>(from), size,
                  expected.begin() + static_cast<std::ptrdiff_t>(k * row + at));
    }
    at += size;
  }
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-5) << i;
}

TEST_P(TorchTest, CanBeTrainedAndWrittenForKeras) {
  EXPECT_EQ(Model::from_json(model_.to_json()).to_json(), model_.to_json());
}

TEST_P(TorchTest, PermutesAnImageOnceAndNeverInside) {
  if (GetParam().starts_with("mixed") || GetParam().starts_with("sequence")) return;
  EXPECT_EQ(model_.input_shape().rank(), 3);
  EXPECT_EQ(model_.input_shape()[0], 3);  // channels first, as there
  const bool gives_an_image = GetParam().starts_with("unet");
  EXPECT_EQ(count(model_, "Permute"), gives_an_image ? 2 : 1);
}

INSTANTIATE_TEST_SUITE_P(Files, TorchTest, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& entry : fs::directory_iterator(kGolden)) {
                             if (entry.path().extension() != ".onnx") continue;
                             names.push_back(entry.path().stem());
                           }
                           std::ranges::sort(names);
                           return names;
                         }()),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(OnnxReaderTest, ReadsOurOwnFilesAsTheLayersThatTheyWere) {
  const Model model = nn::mnist_cnn();
  const Model again = parse_onnx(onnx_bytes(model), "");
  ASSERT_EQ(again.layers().size(), model.layers().size());
  for (size_t k = 0; k < model.layers().size(); ++k) {
    EXPECT_EQ(again.layers()[k]->class_name(), model.layers()[k]->class_name());
    EXPECT_EQ(again.layers()[k]->config(), model.layers()[k]->config());
    EXPECT_EQ(again.layers()[k]->name(), model.layers()[k]->name());
  }
  EXPECT_TRUE(std::ranges::equal(again.parameters().values(), model.parameters().values()));
  EXPECT_EQ(again.input_names(), model.input_names());
  EXPECT_EQ(again.output_names(), model.output_names());
}

TEST(OnnxReaderTest, ReadsOurBranchesAndSeveralOutputs) {
  for (const Model& model : {nn::residual(), nn::two_heads()}) {
    const Model again = parse_onnx(onnx_bytes(model), "");
    EXPECT_EQ(count(again, "Permute"), 0);
    EXPECT_EQ(again.input_names(), model.input_names());
    EXPECT_EQ(again.output_names(), model.output_names());
    EXPECT_EQ(again.input_shapes(), model.input_shapes());
    EXPECT_EQ(again.output_shapes(), model.output_shapes());
  }
}

TEST(OnnxReaderTest, TakesOverWhatTheDatasetDid) {
  class Preprocessed : public Sequential {
   public:
    Preprocessed() {
      add(Input({3})).add(Dense({.units = 2}));
      impl_->preprocessing =
          Preprocessing{.sample_shape = {3}, .scale = 0.5f, .class_names = {"a", "b"}};
    }
  };
  const Preprocessed model;
  const Model again = parse_onnx(onnx_bytes(model), "");
  EXPECT_EQ(again.impl().preprocessing, model.impl().preprocessing);
}

TEST(OnnxReaderTest, RefusesWhatIsNoneInALine) {
  for (const std::string bytes : {"", "not a model", "\x08\x08"}) {
    EXPECT_THAT(message_of<RuntimeError>([&] { parse_onnx(bytes, ""); }),
                HasSubstr("is no ONNX file, or damaged"));
  }
}

TEST(OnnxReaderTest, NamesOperatorAndNodeOfWhatLayersDoNot) {
  std::string bytes = onnx_bytes(nn::mnist_cnn());
  const size_t at = bytes.find("MaxPool");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 7, "MinPool");
  const std::string message = message_of([&] { parse_onnx(bytes, ""); });
  EXPECT_EQ(message, "operator MinPool of node \"max_pooling2d\": Sluice has no layer for it");
}

// Cut short anywhere and changed anywhere, a file is refused in a line, or is another model.
TEST(OnnxReaderTest, ComesBackFromDamagedFiles) {
  const std::string whole = read(kGolden / "mixed-17.onnx");
  const auto try_to_read = [](const std::string& bytes) {
    try {
      parse_onnx(bytes, "");
    } catch (const RuntimeError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    } catch (const std::invalid_argument& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  };
  for (size_t i = 0; i < 50; ++i) try_to_read(whole.substr(0, whole.size() * i / 50));
  uint32_t random = 1;
  for (int i = 0; i < 1000; ++i) {
    random = random * 1664525 + 1013904223;
    std::string changed = whole;
    changed[random % changed.size()] = static_cast<char>(random >> 24);
    try_to_read(changed);
  }
}

}  // namespace
}  // namespace sluice::formats
