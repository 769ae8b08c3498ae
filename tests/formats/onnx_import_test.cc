// What looks like a layer of ours and computes something else is refused: small graphs, each with
// an attribute or a value that changes what an operator means.
#include <gmock/gmock.h>

#include "formats/onnx_import/importer.h"
#include "tests/errors.h"

namespace sluice::formats::onnx {
namespace {

using ::testing::HasSubstr;

// One node or several, behind an input "x" of these axes; the last one's output is the model's.
Model import(const Ints& dims, std::vector<OnnxNode> nodes,
             std::map<std::string, OnnxTensor> constants = {}) {
  OnnxFile file{.name = "m", .opset = 17};
  file.inputs.push_back({.name = "x", .dims = dims});
  file.outputs = nodes.back().outputs;
  file.nodes = std::move(nodes);
  file.constants = std::move(constants);
  return Importer(std::move(file)).import();
}

OnnxTensor floats(Ints dims, std::vector<float> values) {
  return {.dims = std::move(dims), .values = std::move(values)};
}

TEST(OnnxImportTest, CutsNumbersForTheRowsOfATableOnly) {
  const OnnxNode floor{.op_type = "Floor", .inputs = {"x"}, .outputs = {"whole"}};
  const OnnxNode cast{
      .op_type = "Cast", .inputs = {"x"}, .outputs = {"whole"}, .attributes = {{"to", int64_t{7}}}};
  const OnnxNode to_bool{
      .op_type = "Cast", .inputs = {"x"}, .outputs = {"whole"}, .attributes = {{"to", int64_t{9}}}};
  const OnnxNode relu{.op_type = "Relu", .inputs = {"whole"}, .outputs = {"y"}};
  const OnnxNode gather{.op_type = "Gather", .inputs = {"table", "whole"}, .outputs = {"y"}};
  const std::map<std::string, OnnxTensor> table{{"table", floats({2, 3}, {1, 2, 3, 4, 5, 6})}};

  EXPECT_EQ(import({4}, {cast, gather}, table).output_shape(), Shape({4, 3}));
  for (const OnnxNode& node : {floor, cast}) {
    EXPECT_THAT(message_of([&] { import({4}, {node, relu}); }), HasSubstr("cut to whole numbers"));
    EXPECT_THAT(message_of([&] { import({4}, {node}); }), HasSubstr("cut to whole numbers"));
  }
  EXPECT_THAT(message_of([&] { import({4}, {to_bool, relu}); }), HasSubstr("cuts numbers off so"));
}

TEST(OnnxImportTest, EnlargesImagesAsKerasRoundsOnly) {
  const auto resize = [](const char* where, const char* rounding) {
    return OnnxNode{.op_type = "Resize",
                    .inputs = {"x", "", "scales"},
                    .outputs = {"y"},
                    .attributes = {{"coordinate_transformation_mode", std::string(where)},
                                   {"nearest_mode", std::string(rounding)}}};
  };
  const std::map<std::string, OnnxTensor> scales{{"scales", floats({4}, {1, 1, 2, 2})}};
  const Ints image{1, 2, 2};
  EXPECT_EQ(import(image, {resize("half_pixel", "round_prefer_ceil")}, scales).output_shape(),
            Shape({1, 4, 4}));
  EXPECT_EQ(import(image, {resize("asymmetric", "floor")}, scales).output_shape(),
            Shape({1, 4, 4}));
  // The second of four elements would be 0 of 0 and 1 by both, the third 0 instead of 1.
  EXPECT_THAT(message_of([&] { import(image, {resize("half_pixel", "floor")}, scales); }),
              HasSubstr("does not interpolate"));
  EXPECT_THAT(message_of([&] { import(image, {resize("align_corners", "floor")}, scales); }),
              HasSubstr("does not interpolate"));
  OnnxNode turned = resize("half_pixel", "round_prefer_floor");
  turned.attributes["axes"] = Ints{0, 1, 3, 2};
  EXPECT_THAT(message_of([&] { import(image, {turned}, scales); }), HasSubstr("in their order"));
}

// [2, 1] + [1, 2] is [2, 2], though both have as many elements.
TEST(OnnxImportTest, ComputesConstantsOfOneShapeOnly) {
  const OnnxNode sum{.op_type = "Add", .inputs = {"a", "b"}, .outputs = {"c"}};
  const OnnxNode add{.op_type = "Add", .inputs = {"x", "c"}, .outputs = {"y"}};
  const auto with = [&](Ints a, Ints b) {
    return import({2}, {sum, add},
                  {{"a", floats(std::move(a), {1, 2})}, {"b", floats(std::move(b), {10, 20})}});
  };
  const Model model = with({2}, {2});
  const Config config = model.layers().back()->config();
  EXPECT_EQ(config.get_doubles("offset", {}), (std::vector<double>{11, 22}));
  EXPECT_THAT(message_of([&] { with({2, 1}, {1, 2}); }), HasSubstr("such constants"));
}

}  // namespace
}  // namespace sluice::formats::onnx
