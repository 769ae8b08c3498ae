// Every loss and option, in float32, on random outputs behind a dense layer.
#include <gtest/gtest.h>

#include <ostream>

#include "tests/cuda/parity/comparison.h"

namespace sluice::backend::testing {
namespace {

using enum Activation::Kind;

struct Case {
  Activation activation;
  LossSpec loss;
  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.loss.name() << " behind activation " << static_cast<int>(c.activation.kind);
  }
};

class LossParityTest : public ::testing::TestWithParam<Case> {};

TEST_P(LossParityTest, EqualsTheCpu) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto& [activation, loss] = GetParam();
  for (const int64_t outputs : {1, 2, 5, 33, 70}) {
    SCOPED_TRACE(outputs);
    // The cosine of one number is 1 or -1, and its gradient nothing but rounding.
    if (outputs == 1 && std::holds_alternative<CosineSimilarity>(loss.loss)) continue;
    const Graph graph = GraphBuilder({6}).dense(outputs).activation(activation).build(loss);
    for (const int64_t batch : {1, 7, 64}) {
      const Samples samples(graph, batch, static_cast<uint64_t>(outputs));
      const Pair pair(graph, {.batch_size = batch}, static_cast<uint64_t>(batch), 1.0f);
      expect_parity(pair, samples, Precision::kFloat32);
    }
  }
}

TEST_P(LossParityTest, PositionsAreAveraged) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto& [activation, loss] = GetParam();
  if (std::holds_alternative<Circle>(loss.loss)) return;  // of one position
  const Graph graph = GraphBuilder({3, 4}).dense(5).activation(activation).build(loss);
  const Samples samples(graph, 4, 1);
  expect_parity(Pair(graph, {.batch_size = 4}, 2, 1.0f), samples, Precision::kFloat32);
}

TEST_P(LossParityTest, SamplesHaveWeights) {
  SLUICE_SKIP_WITHOUT_GPU();
  const auto& [activation, loss] = GetParam();
  for (const Shape& shape : {Shape{4}, Shape{3, 4}}) {
    if (std::holds_alternative<Circle>(loss.loss) && shape.rank() > 1) continue;
    Graph graph = GraphBuilder(shape).dense(5).activation(activation).build(loss);
    graph.weighted = true;
    const Samples samples(graph, 9, 3);
    expect_parity(Pair(graph, {.batch_size = 9}, 4, 1.0f), samples, Precision::kFloat32);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LossParityTest,
    ::testing::Values(
        Case{kSoftmax, CategoricalCrossentropy{.label_smoothing = 0.2f}},
        Case{kLinear, CategoricalCrossentropy{.from_logits = true}},
        Case{kSigmoid, CategoricalCrossentropy{.label_smoothing = 0.2f}},
        Case{kSoftmax, SparseCategoricalCrossentropy{.ignore_class = 0}},
        Case{kSigmoid, SparseCategoricalCrossentropy{.ignore_class = 1}},
        Case{kLinear, SparseCategoricalCrossentropy{.from_logits = true, .ignore_class = -1}},
        Case{kSigmoid, BinaryCrossentropy{}},
        Case{kLinear, BinaryCrossentropy{.from_logits = true, .label_smoothing = 0.1f}},
        Case{kSoftmax, BinaryCrossentropy{.label_smoothing = 0.1f}},
        Case{kSoftmax, CategoricalFocalCrossentropy{}},
        Case{kLinear, CategoricalFocalCrossentropy{.gamma = 1, .from_logits = true}},
        Case{kSigmoid, CategoricalFocalCrossentropy{.gamma = 0, .label_smoothing = 0.1f}},
        Case{kSigmoid, BinaryFocalCrossentropy{.apply_class_balancing = true}},
        Case{kLinear, BinaryFocalCrossentropy{.gamma = 0, .from_logits = true}},
        Case{kSoftmax, BinaryFocalCrossentropy{.gamma = 1.5f, .label_smoothing = 0.1f}},
        Case{kSoftmax, CategoricalGeneralizedCrossEntropy{.q = 0.7f}}, Case{kSigmoid, Dice{}},
        Case{kSoftmax, Dice{.axis = {-1}}}, Case{kSigmoid, Dice{.axis = {0}}},
        Case{kSigmoid, Tversky{.alpha = 0.3f, .beta = 0.9f}},
        Case{kSigmoid, Tversky{.alpha = 0.3f, .axis = {1}}}, Case{kTanh, Circle{.gamma = 1}},
        Case{kTanh, Circle{.gamma = 2, .remove_diagonal = false}}, Case{kSoftmax, KLDivergence{}},
        Case{kLinear, Hinge{}}, Case{kLinear, SquaredHinge{}}, Case{kLinear, CategoricalHinge{}},
        Case{kLinear, MeanSquaredError{}}, Case{kLinear, MeanAbsoluteError{}},
        Case{kLinear, MeanAbsolutePercentageError{}}, Case{kSigmoid, MeanSquaredLogarithmicError{}},
        Case{kLinear, Huber{.delta = 0.5f}}, Case{kLinear, LogCosh{}}, Case{kSigmoid, Poisson{}},
        Case{kLinear, CosineSimilarity{}}));

}  // namespace
}  // namespace sluice::backend::testing
