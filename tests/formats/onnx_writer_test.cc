#include "formats/onnx_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ranges>

#include "core/parameter_set.h"
#include "formats/onnx_file.h"
#include "nn/model_impl.h"
#include "tests/nn/models.h"

namespace sluice::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> operators(const Model& model) {
  std::vector<std::string> names;
  for (const OnnxNode& node : read_onnx_file(onnx_bytes(model), "").nodes) {
    names.push_back(node.op_type);
  }
  return names;
}

TEST(OnnxWriterTest, AChainOfConvolutionsIsNeverTransposed) {
  // One channel: the same elements in both orders. Behind Flatten the kernel's rows are permuted.
  EXPECT_THAT(operators(nn::mnist_cnn()),
              ElementsAre("Reshape", "Conv", "Relu", "Conv", "Relu", "MaxPool", "Reshape", "Gemm",
                          "Relu", "Gemm", "Softmax"));
}

TEST(OnnxWriterTest, BranchesAreTransposedOnce) {
  const std::vector<std::string> names = operators(nn::residual());
  EXPECT_EQ(std::ranges::count(names, "Transpose"), 1);
  EXPECT_EQ(names.front(), "Transpose");
}

TEST(OnnxWriterTest, InputsAndOutputsHaveTheModelsNamesAndShapes) {
  const Model model = nn::two_heads();
  const OnnxFile file = read_onnx_file(onnx_bytes(model), "");
  EXPECT_EQ(file.opset, 17);
  ASSERT_EQ(file.inputs.size(), 2u);
  for (size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(file.inputs[k].name, model.input_names()[k]);
    EXPECT_EQ(file.inputs[k].dims, model.input_shapes()[k].dims());
    EXPECT_EQ(file.inputs[k].batch, std::nullopt);
  }
  EXPECT_EQ(file.outputs, model.output_names());
}

TEST(OnnxWriterTest, NodesHaveTheirLayersNamesAndNoTwoTheSame) {
  const Model model = nn::residual();
  std::map<std::string, int> names;
  for (const OnnxNode& node : read_onnx_file(onnx_bytes(model), "").nodes) ++names[node.name];
  for (const auto& [name, times] : names) EXPECT_EQ(times, 1) << name;
  for (const char* layer : {"first", "other", "total", "pooled", "flat", "probs"}) {
    EXPECT_TRUE(names.contains(layer)) << layer;
  }
}

TEST(OnnxWriterTest, WeightsOfALayerThatIsCalledTwiceAreThereOnce) {
  Model model = nn::residual();
  std::ranges::iota_view numbers(0);
  std::ranges::copy_n(numbers.begin(), static_cast<std::ptrdiff_t>(model.count_params()),
                      model.parameters().values().begin());  // no two biases are the same
  size_t floats = 0;
  for (const auto& [name, tensor] : read_onnx_file(onnx_bytes(model), "").constants) {
    if (!tensor.is_whole()) floats += tensor.size();
  }
  EXPECT_EQ(floats, model.count_params());
}

// ONNX repeats sizes of 1 by itself, so that Add takes what is before such a repetition; but not
// what is before a padding at the end, where nothing is in front either.
TEST(OnnxWriterTest, WhatIsPaddedAtTheEndIsMergedPadded) {
  const Input x({3, 2});
  const SymbolicTensor padded = ZeroPadding1D({.padding = {0, 2}})(x);
  const Model model(x, Add()({padded, Dense({.units = 2})(padded)}), "model");
  const OnnxFile file = read_onnx_file(onnx_bytes(model), "");
  ASSERT_FALSE(file.nodes.empty());
  EXPECT_EQ(file.nodes.front().op_type, "Pad");
  EXPECT_EQ(file.nodes.back().op_type, "Add");
  EXPECT_EQ(file.nodes.back().inputs.front(), file.nodes.front().outputs.front());
}

TEST(OnnxWriterTest, DropoutIsLeftOut) {
  Sequential model;
  model.add(Input({3})).add(Dropout({.rate = 0.5})).add(Dense({.units = 2}));
  EXPECT_THAT(operators(model), ElementsAre("Gemm"));
}

TEST(OnnxWriterTest, KeepsWhatTheDatasetDid) {
  class Preprocessed : public Sequential {
   public:
    Preprocessed() {
      add(Input({3})).add(Dense({.units = 2}));
      impl_->preprocessing = Preprocessing{.sample_shape = {3}, .scale = 0.5f};
    }
  };
  const Preprocessed model;
  const OnnxFile file = read_onnx_file(onnx_bytes(model), "");
  EXPECT_EQ(Preprocessing::from_json(file.metadata.at("sluice")), *model.impl().preprocessing);
}

TEST(OnnxWriterTest, RefusesAModelThatIsNotBuilt) {
  Sequential model;
  model.add(Dense({.units = 2}));
  EXPECT_THAT(message_of<ShapeError>([&] { onnx_bytes(model); }), HasSubstr("sequential"));
}

}  // namespace
}  // namespace sluice::formats
