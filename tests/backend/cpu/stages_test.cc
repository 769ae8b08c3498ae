// Which layouts and types run between stages.
#include "backend/cpu/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cpu/onednn.h"
#include "tests/backend/graph_builder.h"

namespace sluice::backend::cpu {
namespace {

using testing::ConvSpec;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::IdentityKernel;

constexpr auto kMse = Loss::kMeanSquaredError;

TEST(StagesTest, StagesWithParametersTrain) {
  const auto kernel = std::make_shared<IdentityKernel>();
  const Graph graph = GraphBuilder({4, 4, 1})
                          .max_pool()
                          .host(kernel)
                          .host(kernel, {2})
                          .conv({.kernel_h = 1, .kernel_w = 1})
                          .dense(2)
                          .activation(Activation::kSoftmax)
                          .build(kMse);
  std::vector<bool> trains;
  for (const Stage& stage : make_stages(graph, Precision::kFloat32)) trains.push_back(stage.trains);
  EXPECT_THAT(trains, ElementsAre(false, false, true, true, true, false));
}

// --- Layouts: "p" plain or "b" blocks of 16 channels, what each stage writes. ---

std::string layouts_of(GraphBuilder& builder) {
  const Graph graph = builder.build(kMse);
  const auto stages = make_stages(graph, Precision::kFloat32);
  std::string text;
  for (size_t i = 0; i < stages.size(); ++i) {
    EXPECT_EQ(stages[i].input_layout, i == 0 ? Layout::kPlain : stages[i - 1].output_layout);
    text += stages[i].output_layout == Layout::kPlain ? 'p' : 'b';
  }
  return text;
}

class LayoutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!uses_avx512()) GTEST_SKIP() << "oneDNN prefers plain images on this machine";
  }
};

const ConvSpec k16{.filters = 16}, k32{.filters = 32}, k20{.filters = 20};

TEST_F(LayoutTest, ConvolutionsBetweenTheInputAndAPoolingRunInBlocks) {
  for (int64_t channels : {1, 3}) {
    GraphBuilder builder({12, 12, channels});
    builder.conv(k16).activation(Activation::kRelu).conv(k32).activation(Activation::kRelu);
    EXPECT_EQ(layouts_of(builder.max_pool()), "bbp");
  }
}

TEST_F(LayoutTest, APoolingInFrontWritesTheBlocks) {
  GraphBuilder builder({20, 20, 4});  // too many channels to start in blocks
  builder.conv(k16).max_pool().conv(k16).conv(k32).max_pool().flatten().dense(2);
  EXPECT_EQ(layouts_of(builder), "pbbbpp");
}

TEST_F(LayoutTest, OneOddConvolutionKeepsTheRunPlain) {
  GraphBuilder odd_filters({12, 12, 1});
  EXPECT_EQ(layouts_of(odd_filters.conv(k16).conv(k20).max_pool()), "ppp");
  GraphBuilder odd_pool({12, 12, 20});
  EXPECT_EQ(layouts_of(odd_pool.max_pool().conv(k16).max_pool()), "ppp");
  GraphBuilder four_channels({12, 12, 4});
  EXPECT_EQ(layouts_of(four_channels.conv(k16).max_pool()), "pp");
}

TEST_F(LayoutTest, WithoutAPoolingThatReadsTheImageAsItIsTheRunStaysPlain) {
  GraphBuilder dense({6, 6, 1});
  EXPECT_EQ(layouts_of(dense.conv(k16).flatten().dense(2)), "pp");
  GraphBuilder last({6, 6, 1});
  EXPECT_EQ(layouts_of(last.conv(k16)), "p");
  GraphBuilder dropout({6, 6, 1});
  EXPECT_EQ(layouts_of(dropout.conv(k16).dropout(0.5f, 1).max_pool()), "ppp");
  GraphBuilder reshaped({6, 6, 1});
  EXPECT_EQ(layouts_of(reshaped.conv(k16).reshape({2, 8, 16}).max_pool()), "pp");
  GraphBuilder reshaped_in_front({8, 8, 16});
  reshaped_in_front.max_pool().reshape({2, 8, 16}).conv({.filters = 16, .kernel_h = 1});
  EXPECT_EQ(layouts_of(reshaped_in_front.max_pool()), "ppp");
}

TEST(StagesTest, MixedPrecisionCastsWhereNeighboursDisagree) {
  const Graph graph = GraphBuilder({8, 8, 3})
                          .conv({.filters = 16})
                          .max_pool()
                          .dropout(0.5f, 1)
                          .flatten()
                          .dense(4)
                          .build(Loss::kMeanSquaredError);
  std::vector<std::string> types;
  for (const Stage& stage : make_stages(graph, Precision::kMixedBfloat16)) {
    types.push_back(std::string(stage.cast != nullptr ? "cast" : stage.op->name) +
                    (stage.output_type == Type::kBfloat16 ? " bfloat16" : " float32"));
  }
  EXPECT_EQ(types, (std::vector<std::string>{"cast bfloat16", "op0 bfloat16", "op1 bfloat16",
                                             "cast float32", "op2 float32", "cast bfloat16",
                                             "op4 float32"}));
}

}  // namespace
}  // namespace sluice::backend::cpu
