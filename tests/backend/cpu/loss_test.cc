// Every loss against its formula in double precision, its gradient against
// central differences of the same.
#include "backend/cpu/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};
constexpr LossSpec kCategorical = CategoricalCrossentropy{};
constexpr LossSpec kMse = MeanSquaredError{};
constexpr auto kLogits = Activation::kSoftmax;
constexpr auto kOutputs = Activation::kLinear;

struct Case {
  std::string name;
  LossSpec loss;
  Activation input;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// One sample's loss; `y` is [K] whatever the loss, a class number spelt out.
double reference(const Case& c, const std::vector<double>& z, const std::vector<double>& y) {
  double total = 0, largest = z[0], loss = 0;
  for (double value : z) largest = std::max(largest, value);
  for (double value : z) total += c.input == kLogits ? std::exp(value - largest) : value;
  for (size_t k = 0; k < z.size(); ++k) {
    if (c.loss == kMse) {
      loss += (y[k] - z[k]) * (y[k] - z[k]) / static_cast<double>(z.size());
    } else if (c.input == kLogits) {
      loss -= y[k] * (z[k] - largest - std::log(total));
    } else {
      loss -= y[k] * std::log(std::clamp(z[k] / total, 1e-7, 1 - 1e-7));
    }
  }
  return loss;
}

size_t first_largest(const std::vector<double>& row) {
  return static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

class LossTest : public ::testing::TestWithParam<Case> {};

TEST_P(LossTest, EqualsItsFormulaAndTheGradientItsDifferences) {
  const Case& c = GetParam();
  constexpr size_t kBatch = 4;
  for (size_t outputs : {2u, 3u, 17u, 130u}) {
    core::Rng rng(outputs);
    std::vector<float> z, y, labels;
    for (size_t i = 0; i < kBatch * outputs; ++i) {
      z.push_back(c.input == kLogits ? rng.uniform(-4, 4) : rng.uniform(0.05f, 1));
      y.push_back(rng.uniform(0, 2));  // targets need not sum to one
    }
    for (size_t n = 0; n < kBatch; ++n) {
      labels.push_back(static_cast<float>(n == 0 ? outputs - 1 : rng.below(outputs)));
    }
    std::vector<float> gradient(z.size(), std::numeric_limits<float>::quiet_NaN());
    const LossSums metrics =
        compute_loss({c.loss, c.input, static_cast<int64_t>(outputs)}, kBatch, z.data(),
                     c.loss == kSparse ? labels.data() : y.data(), gradient.data());

    double loss = 0;
    int64_t correct = 0;
    for (size_t n = 0; n < kBatch; ++n) {
      const auto at = static_cast<std::ptrdiff_t>(n * outputs);
      const auto width = static_cast<std::ptrdiff_t>(outputs);
      std::vector<double> sample(z.begin() + at, z.begin() + at + width);
      std::vector<double> target(y.begin() + at, y.begin() + at + width);
      if (c.loss == kSparse) {
        std::fill(target.begin(), target.end(), 0);
        target[static_cast<size_t>(labels[n])] = 1;
      }
      loss += reference(c, sample, target);
      correct += first_largest(sample) == first_largest(target) ? 1 : 0;
      for (size_t k = 0; k < outputs; ++k) {
        constexpr double kStep = 1e-5;
        const double before = sample[k];
        sample[k] = before + kStep;
        const double above = reference(c, sample, target);
        sample[k] = before - kStep;
        const double below = reference(c, sample, target);
        sample[k] = before;
        const double slope = (above - below) / (2 * kStep) / kBatch;
        ASSERT_NEAR(gradient[n * outputs + k], slope, 2e-6 + 2e-5 * std::abs(slope))
            << "sample " << n << ", output " << k << " of " << outputs;
      }
    }
    EXPECT_NEAR(metrics.loss_sum, loss, 1e-5 * loss) << outputs << " outputs";
    EXPECT_EQ(metrics.correct, correct) << outputs << " outputs";
  }
}

INSTANTIATE_TEST_SUITE_P(All, LossTest,
                         ::testing::Values(Case{"mse", kMse, kOutputs},
                                           Case{"categorical_of_logits", kCategorical, kLogits},
                                           Case{"categorical_of_probabilities", kCategorical,
                                                kOutputs},
                                           Case{"sparse_of_logits", kSparse, kLogits},
                                           Case{"sparse_of_probabilities", kSparse, kOutputs}),
                         [](const auto& param_info) { return param_info.param.name; });

// Both with a gradient, which is returned in `gradient`, and without one.
LossSums both_ways(const LossOptions& options, const std::vector<float>& z,
                   const std::vector<float>& y, std::vector<float>& gradient) {
  const auto batch = static_cast<int64_t>(z.size()) / options.outputs;
  gradient.assign(z.size(), std::numeric_limits<float>::quiet_NaN());
  const LossSums with = compute_loss(options, batch, z.data(), y.data(), gradient.data());
  const LossSums without = compute_loss(options, batch, z.data(), y.data(), nullptr);
  EXPECT_DOUBLE_EQ(with.loss_sum, without.loss_sum);
  EXPECT_EQ(with.correct, without.correct);
  return with;
}

TEST(LossOfLogitsTest, HugeLogitsCostTheirDistance) {
  for (float scale : {1.0f, 1e4f, 1e30f}) {
    std::vector<float> gradient;
    const LossSums metrics =
        both_ways({kSparse, kLogits, 3}, {100 * scale, -100 * scale, 0}, {1}, gradient);
    EXPECT_FLOAT_EQ(static_cast<float>(metrics.loss_sum), 200 * scale);
    EXPECT_THAT(gradient, ElementsAre(1, -1, ::testing::FloatNear(0, 1e-30f))) << scale;
  }
}

// As Keras compiles it with XLA; without, TensorFlow's sum over 0 * inf is NaN.
TEST(LossOfLogitsTest, ALogitOfMinusInfinityCostsNothingWhereTheTargetIsZero) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const double loss = std::log(1 + std::exp(-1.0));  // Keras: 0.313261628
  const auto slope = static_cast<float>(1 / (1 + std::exp(1.0)));
  std::vector<float> gradient;
  EXPECT_NEAR(both_ways({kCategorical, kLogits, 3}, {0, 1, -kInf}, {0, 1, 0}, gradient).loss_sum,
              loss, 1e-6);
  EXPECT_THAT(gradient, ElementsAre(::testing::FloatNear(slope, 1e-6f),
                                    ::testing::FloatNear(-slope, 1e-6f), 0));
  EXPECT_NEAR(both_ways({kSparse, kLogits, 3}, {0, 1, -kInf}, {1}, gradient).loss_sum, loss, 1e-6);
  EXPECT_EQ(both_ways({kSparse, kLogits, 3}, {0, 1, -kInf}, {2}, gradient).loss_sum, kInf);
  EXPECT_EQ(both_ways({kCategorical, kLogits, 3}, {0, 1, -kInf}, {0, 0, 1}, gradient).loss_sum,
            kInf);
}

TEST(LossOfLogitsTest, ASingleLogitIsCertain) {
  std::vector<float> gradient;
  const LossSums metrics = both_ways({kSparse, kLogits, 1}, {-5, -5, 7}, {1, 0, 1}, gradient);
  EXPECT_EQ(metrics.correct, 2);  // softmax makes each of them 1
  EXPECT_EQ(metrics.loss_sum, 0);
  EXPECT_THAT(gradient, Each(0));
}

// With q = (1/2, 1/2, 0) and S = 2: dloss/dz_j = sum over k of -y_k / q_k (d_jk - q_k) / S, without
// the k whose probability was cut.
TEST(LossOfProbabilitiesTest, NoGradientPassesWhereTheClipCuts) {
  const double cut = -std::log(1e-7);
  std::vector<float> gradient;
  LossSums metrics =
      both_ways({kCategorical, kOutputs, 3}, {1, 1, 0}, {0.25f, 0.25f, 0.5f}, gradient);
  EXPECT_NEAR(metrics.loss_sum, 0.5 * std::log(2) + 0.5 * cut, 1e-5);
  EXPECT_THAT(gradient, ElementsAre(0, 0, 0.25f));

  metrics = both_ways({kSparse, kOutputs, 3}, {1, 1, 0, 1, 1, 0}, {0, 2}, gradient);
  EXPECT_NEAR(metrics.loss_sum, std::log(2) + cut, 1e-5);
  EXPECT_THAT(gradient, ElementsAre(-0.25f, 0.25f, 0.25f, 0, 0, 0));  // of the mean of two

  metrics = both_ways({kSparse, kOutputs, 2}, {5, 0}, {0}, gradient);
  EXPECT_NEAR(metrics.loss_sum, 1e-7, 5e-8);  // certain, and cut from above
  EXPECT_THAT(gradient, ElementsAre(0, 0));
}

TEST(LossMetricTest, OneOutputIsBinaryAlsoWithClassNumbers) {
  std::vector<float> gradient;
  EXPECT_EQ(both_ways({kMse, kOutputs, 1}, {0.7f, 0.2f, 0.9f}, {1, 1, 0}, gradient).correct, 1);
  EXPECT_EQ(
      both_ways({kSparse, kOutputs, 1}, {0.7f, 0.2f, 0.9f, 0.5f}, {1, 0, 0, 0}, gradient).correct,
      3);
}

TEST(LossMetricTest, OfEqualTargetsTheFirstIsTheClass) {
  std::vector<float> gradient;
  const std::vector<float> y{0.4f, 0.4f, 0.2f, 0.4f, 0.4f, 0.2f};
  EXPECT_EQ(both_ways({kCategorical, kOutputs, 3}, {3, 2, 1, 2, 3, 1}, y, gradient).correct, 1);
}

// The class that accuracy takes a row for, found by trying all; -1 when it is several or none.
int predicted_class(Activation input, const std::vector<float>& row) {
  int predicted = -1;
  const auto outputs = static_cast<int64_t>(row.size());
  for (int label = 0; label < std::max<int>(static_cast<int>(outputs), 2); ++label) {
    const auto y = static_cast<float>(label);
    if (compute_loss({kSparse, input, outputs}, 1, row.data(), &y, nullptr).correct == 0) continue;
    if (predicted >= 0) return -1;
    predicted = label;
  }
  return predicted;
}

// As Keras' argmax on TensorFlow: NaN is passed over, and nothing but NaN is class 0.
TEST(LossMetricTest, NanIsPassedOver) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(predicted_class(kOutputs, {kNan, 1, 0}), 1);
  EXPECT_EQ(predicted_class(kOutputs, {0, kNan, 3}), 2);
  EXPECT_EQ(predicted_class(kOutputs, {-1, kNan, -2}), 0);
  EXPECT_EQ(predicted_class(kOutputs, {kNan, kNan, kNan}), 0);
  EXPECT_EQ(predicted_class(kOutputs, {-kInf, -kInf, kNan}), 0);
  EXPECT_EQ(predicted_class(kOutputs, {kNan}), 0);
  const std::vector<float> z{kNan, 1, 0}, y{kNan, 0.2f, 0.1f};
  EXPECT_EQ(compute_loss({kMse, kOutputs, 3}, 1, z.data(), y.data(), nullptr).correct, 1);
}

// Accuracy is of the outputs, and the softmax of such a row is NaN throughout.
TEST(LossMetricTest, LogitsWithoutASoftmaxAreClassZero) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(predicted_class(kLogits, {kNan, 1, 0}), 0);
  EXPECT_EQ(predicted_class(kLogits, {0, kInf, -kInf}), 0);
  EXPECT_EQ(predicted_class(kLogits, {-kInf, -kInf, -kInf}), 0);
  EXPECT_EQ(predicted_class(kLogits, {kNan}), 0);
  EXPECT_EQ(predicted_class(kLogits, {-kInf, 1, 2}), 2);
  EXPECT_EQ(predicted_class(kLogits, {7}), 1);
}

TEST(LossTargetTest, ALabelThatIsNoClassIsRefusedInAnySample) {
  const std::vector<float> z(6, 0.5f);
  for (Activation input : {kLogits, kOutputs}) {
    for (float label : {-1.0f, -0.5f, 3.0f, std::numeric_limits<float>::quiet_NaN()}) {
      const std::vector<float> y{2, label};
      EXPECT_THROW(compute_loss({kSparse, input, 3}, 2, z.data(), y.data(), nullptr),
                   std::invalid_argument)
          << label;
    }
  }
}

TEST(LossTargetTest, ALabelBeyondEveryIntegerIsRefused) {
  const std::vector<float> z(3, 0.5f);
  for (float label : {1e30f, std::numeric_limits<float>::infinity()}) {
    EXPECT_THROW(compute_loss({kSparse, kLogits, 3}, 1, z.data(), &label, nullptr),
                 std::invalid_argument)
        << label;
  }
}

}  // namespace
}  // namespace sluice::backend::cpu
