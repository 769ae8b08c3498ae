// What looks like a layer of ours and computes something else is refused: small graphs, each with
// an attribute or a value that changes what an operator means.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/onnx_import/importer.h"
#include "sluice/errors.h"
#include "tests/errors.h"
#include "tests/formats/outputs.h"

namespace sluice::formats::onnx {
namespace {

using ::testing::HasSubstr;

// One node or several, behind an input "x" of these axes; the last one's output is the model's.
Model import_of(const Ints& dims, std::vector<OnnxNode> nodes,
                std::map<std::string, OnnxTensor> constants = {}) {
  OnnxFile file{.name = "m", .opset = 17};
  file.inputs.push_back({.name = "x", .dims = dims});
  file.outputs = nodes.back().outputs;
  file.nodes = std::move(nodes);
  file.constants = std::move(constants);
  return import_model(file);
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

  EXPECT_EQ(import_of({4}, {cast, gather}, table).output_shape(), Shape({4, 3}));
  for (const OnnxNode& node : {floor, cast}) {
    EXPECT_THAT(message_of([&] {
                  import_of({4}, {node, relu});
                }),
                HasSubstr("cut to whole numbers"));
    EXPECT_THAT(message_of([&] { import_of({4}, {node}); }), HasSubstr("cut to whole numbers"));
  }
  EXPECT_THAT(message_of([&] {
                import_of({4}, {to_bool, relu});
              }),
              HasSubstr("cuts numbers off so"));
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
  EXPECT_EQ(import_of(image, {resize("half_pixel", "round_prefer_ceil")}, scales).output_shape(),
            Shape({1, 4, 4}));
  EXPECT_EQ(import_of(image, {resize("asymmetric", "floor")}, scales).output_shape(),
            Shape({1, 4, 4}));
  // The second of four elements would be 0 of 0 and 1 by both, the third 0 instead of 1.
  EXPECT_THAT(message_of([&] { import_of(image, {resize("half_pixel", "floor")}, scales); }),
              HasSubstr("does not interpolate"));
  EXPECT_THAT(message_of([&] { import_of(image, {resize("align_corners", "floor")}, scales); }),
              HasSubstr("does not interpolate"));
  OnnxNode turned = resize("half_pixel", "round_prefer_floor");
  turned.attributes["axes"] = Ints{0, 1, 3, 2};
  EXPECT_THAT(message_of([&] { import_of(image, {turned}, scales); }), HasSubstr("in their order"));
}

// [2, 1] + [1, 2] is [2, 2], though both have as many elements.
TEST(OnnxImportTest, ComputesConstantsOfOneShapeOnly) {
  const OnnxNode sum{.op_type = "Add", .inputs = {"a", "b"}, .outputs = {"c"}};
  const OnnxNode add{.op_type = "Add", .inputs = {"x", "c"}, .outputs = {"y"}};
  const auto with = [&](Ints a, Ints b) {
    return import_of({2}, {sum, add},
                     {{"a", floats(std::move(a), {1, 2})}, {"b", floats(std::move(b), {10, 20})}});
  };
  const Model model = with({2}, {2});
  const Config config = model.layers().back()->config();
  EXPECT_EQ(config.get_doubles("offset", {}), (std::vector<double>{11, 22}));
  EXPECT_THAT(message_of([&] { with({2, 1}, {1, 2}); }), HasSubstr("such constants"));
}

// max(x, a) as relu(x - a) + a would lose x beside an `a` of large magnitude.
TEST(OnnxImportTest, ClipsWithoutAddingABoundToWhatIsSmaller) {
  const auto clip = [](float least, float most) {
    const OnnxNode node{.op_type = "Clip",
                        .inputs = {"x"},
                        .outputs = {"y"},
                        .attributes = {{"min", least}, {"max", most}}};
    const Model model = import_of({1}, {node});
    return [model](float x) { return outputs_of(model, 1, std::vector{x}).front(); };
  };
  const float big = 65504, huge = 1e29f, none = std::numeric_limits<float>::max();
  const float bounds[] = {-none, -huge, -big, -2, -1, 0, 0.25f, 1, 6, big, huge, none};
  const float xs[] = {-huge, -70000, -1.5f, -1e-3f, 0, 1e-3f, 0.3f, 3, 70000, huge};
  for (const float least : bounds) {
    for (const float most : bounds) {
      if (least > most || (least == -none && most == none)) continue;
      const auto f = clip(least, most);
      for (const float x : xs) {
        const float wanted = std::clamp(x, least, most);
        EXPECT_NEAR(f(x), wanted, 1e-6f * std::abs(wanted)) << x << " in " << least << ", " << most;
      }
    }
  }
}

TEST(OnnxImportTest, HeedsAttributesThatChangeAFunction) {
  const OnnxNode selu{.op_type = "Selu", .inputs = {"x"}, .outputs = {"y"}};
  EXPECT_EQ(import_of({4}, {selu}).output_shape(), Shape({4}));
  OnnxNode steeper = selu;
  steeper.attributes["gamma"] = 1.5f;
  EXPECT_THAT(message_of([&] { import_of({4}, {steeper}); }), HasSubstr("other constants only"));
}

// Before opset 13, over all axes from the one that is given on.
TEST(OnnxImportTest, TakesAnOldSoftmaxForAnActivationOfRowsOnly) {
  const auto message = [](Ints dims, Ints kernel, const char* op, int64_t opset) {
    const size_t size = 2 * 2;
    OnnxFile file{.name = "m", .opset = opset};
    file.inputs.push_back({.name = "x", .dims = std::move(dims)});
    file.nodes = {{.op_type = op, .name = "a", .inputs = {"x", "w"}, .outputs = {"z"}},
                  {.op_type = "Softmax",
                   .name = "a/Softmax",
                   .inputs = {"z"},
                   .outputs = {"y"},
                   .attributes = {{"axis", int64_t{1}}}}};
    file.outputs = {"y"};
    file.constants = {{"w", floats(std::move(kernel), std::vector<float>(size, 1))}};
    return message_of([&] { import_model(file); });
  };
  const char* nothing = "nothing was thrown";
  EXPECT_EQ(message({2}, {2, 2}, "MatMul", 9), nothing);
  EXPECT_EQ(message({2, 3, 3}, {2, 2, 1, 1}, "Conv", 13), nothing);
  EXPECT_THAT(message({2, 3, 3}, {2, 2, 1, 1}, "Conv", 9), HasSubstr("over one axis"));
  EXPECT_THAT(message({5, 2}, {2, 2}, "MatMul", 9), HasSubstr("over one axis"));
}

// [N, 1, 6] + [N, 6] is [N, N, 6]: axes that are missing come in front, before the batch.
TEST(OnnxImportTest, MergesValuesOfAsManyAxesOnly) {
  const OnnxNode row{.op_type = "Flatten", .inputs = {"x"}, .outputs = {"row"}};
  const OnnxNode sum{.op_type = "Add", .inputs = {"x", "row"}, .outputs = {"y"}};
  EXPECT_THAT(message_of([&] { import_of({1, 6}, {row, sum}); }), HasSubstr("as many axes"));
}

// x / x.size(0), as PyTorch writes it where the file leaves the batch open.
TEST(OnnxImportTest, DoesNotComputeWithTheNumberOfSamples) {
  const OnnxNode shape{.op_type = "Shape", .inputs = {"x"}, .outputs = {"s"}};
  const OnnxNode gather{.op_type = "Gather", .inputs = {"s", "zero"}, .outputs = {"n"}};
  const OnnxNode cast{
      .op_type = "Cast", .inputs = {"n"}, .outputs = {"f"}, .attributes = {{"to", int64_t{1}}}};
  const std::map<std::string, OnnxTensor> zero{{"zero", {.dims = {}, .values = Ints{0}}}};
  for (const char* divisor : {"n", "f"}) {
    const OnnxNode div{.op_type = "Div", .inputs = {"x", divisor}, .outputs = {"y"}};
    EXPECT_THAT(message_of([&] { import_of({2}, {shape, gather, cast, div}, zero); }),
                HasSubstr("number of samples"));
  }
}

TEST(OnnxImportTest, IsBoundedByWhatTheFileHolds) {
  std::vector<OnnxNode> nodes;
  for (int i = 0; i < 1000; ++i) {
    nodes.push_back(
        {.op_type = "ConstantOfShape", .inputs = {"s"}, .outputs = {std::to_string(i)}});
  }
  nodes.push_back({.op_type = "Relu", .inputs = {"x"}, .outputs = {"y"}});
  const OnnxTensor shape{.dims = {1}, .values = Ints{65536}};
  EXPECT_THAT(message_of<RuntimeError>([&] {
                import_of({1}, nodes, {{"s", shape}});
              }),
              HasSubstr("too many constants"));

  nodes.clear();
  for (int i = 0; i < 20000; ++i) {
    nodes.push_back({.op_type = "Relu",
                     .inputs = {i == 0 ? "x" : std::to_string(i - 1)},
                     .outputs = {std::to_string(i)}});
  }
  EXPECT_THAT(message_of<RuntimeError>([&] { import_of({1}, nodes); }), HasSubstr("10000 layers"));
}

TEST(OnnxImportTest, GivesOutputsTheirNames) {
  const OnnxNode gemm{.op_type = "Gemm", .name = "fc", .inputs = {"x", "w"}, .outputs = {"out"}};
  const OnnxNode conv{.op_type = "Conv", .name = "c", .inputs = {"x", "w"}, .outputs = {"out"}};
  const std::vector<float> ones(4, 1);
  EXPECT_EQ(import_of({2}, {gemm}, {{"w", floats({2, 2}, ones)}}).output_names().front(), "out");
  EXPECT_EQ(
      import_of({2, 3, 3}, {conv}, {{"w", floats({2, 2, 1, 1}, ones)}}).output_names().front(),
      "out");
  // Of no layer of their own, or of two; and where a node has the name already.
  const OnnxNode relu{.op_type = "Relu", .name = "out", .inputs = {"x"}, .outputs = {"r"}};
  const OnnxNode same{.op_type = "Identity", .inputs = {"r"}, .outputs = {"out"}};
  EXPECT_EQ(import_of({2}, {relu, same}).output_names().front(), "out");
  OnnxNode split{.op_type = "Split", .name = "s", .inputs = {"x"}, .outputs = {"b", "a"}};
  split.attributes["axis"] = int64_t{1};
  EXPECT_EQ(import_of({2}, {split}).output_names(), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(import_of({4}, {{.op_type = "Identity", .inputs = {"x"}, .outputs = {"y"}}})
                .output_names()
                .front(),
            "y");
}

}  // namespace
}  // namespace sluice::formats::onnx
