// Every activation against its definition in double precision, over sizes that do and do not fill a
// vector register and numbers from the smallest to the largest.
#include "backend/cpu/activation_loops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "backend/cpu/elementwise.h"
#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

using ::testing::ElementsAre;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double cut(double x, double low, double high) { return std::min(std::max(x, low), high); }

double exact(const Activation& f, double x) {
  const double a = f.alpha;
  switch (f.kind) {
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kRectifier:
      if (x <= static_cast<double>(f.threshold)) return a * (x - static_cast<double>(f.threshold));
      return f.maximum == Activation::kNoMaximum ? x : cut(x, 0, static_cast<double>(f.maximum));
    case Activation::kElu:
      return x > 0 ? x : a * std::expm1(x);
    case Activation::kSelu:
      return 1.0507009873554804934 * (x > 0 ? x : 1.6732632423543772848 * std::expm1(x));
    case Activation::kCelu:
      return x > 0 ? x : a * std::expm1(x / a);
    case Activation::kGelu:
      return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case Activation::kGeluTanh:
      return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kMish:
      return x * std::tanh(softplus(x));
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kHardSigmoid:
      return cut(a * x + 0.5, 0, 1);
    case Activation::kHardSilu:
      return x * cut(x / 6 + 0.5, 0, 1);
    case Activation::kLogSigmoid:
      return -softplus(-x);
    case Activation::kSparseSigmoid:
      return cut((x + 1) / 2, 0, 1);
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kHardTanh:
      return cut(x, -1, 1);
    case Activation::kTanhShrink:
      return x - std::tanh(x);
    case Activation::kHardShrink:
      return std::abs(x) > a ? x : 0;
    case Activation::kSoftShrink:
      return x > a ? x - a : x < -a ? x + a : 0;
    case Activation::kSoftplus:
      return softplus(x);
    case Activation::kSparsePlus:
      return x <= -1 ? 0 : x < 1 ? (x + 1) * (x + 1) / 4 : x;
    case Activation::kSquareplus:
      return (x + std::sqrt(x * x + a)) / 2;
    case Activation::kSoftsign:
      return x / (1 + std::abs(x));
    case Activation::kExponential:
      return std::exp(x);
    default:
      return x;
  }
}

double exact_slope(const Activation& f, double x) {
  const double step = 1e-5 * std::max(1.0, std::abs(x));
  return (exact(f, x + step) - exact(f, x - step)) / (2 * step);
}

struct Case {
  std::string name;
  Activation f;
  std::vector<double> kinks = {};  // where the derivative jumps
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> cases() {
  std::vector<Case> all = {
      {"leaky", Activation::rectifier(0.3f), {0}},
      {"relu6", Activation::rectifier(0, 0, 6), {0, 6}},
      {"leaky_to_2", Activation::rectifier(0.1f, 0, 2), {0, 2}},
      {"above_1", Activation::rectifier(0, 1), {1}},
      {"above_1_leaky", Activation::rectifier(0.25f, 1, 3), {1, 3}},
      {"above_minus_1", Activation::rectifier(0, -1), {-1}},
      {"above_minus_1_to_2", Activation::rectifier(0.5f, -1, 2), {-1, 0, 2}},
      {"descending", Activation::rectifier(-0.5f), {0}},
      {"elu_2", {Activation::kElu, 2}, {0}},
      {"elu_minus_1", {Activation::kElu, -1}, {0}},
      {"celu_half", {Activation::kCelu, 0.5f}},
      {"hard_sigmoid_keras_2", {Activation::kHardSigmoid, 0.2f}, {-2.5, 2.5}},
      {"hard_shrink_1", {Activation::kHardShrink, 1}, {-1, 1}},
      {"soft_shrink_1", {Activation::kSoftShrink, 1}, {-1, 1}},
      {"squareplus_1", {Activation::kSquareplus, 1}},
  };
#define SLUICE_CASE(kind) all.push_back({#kind, Activation::kind});
  SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(SLUICE_CASE)
#undef SLUICE_CASE
  for (Case& c : all) {
    switch (c.f.kind) {
      case Activation::kRelu:
      case Activation::kSelu:
        c.kinks = {0};
        break;
      case Activation::kHardSigmoid:
        if (c.kinks.empty()) c.kinks = {-3, 3};
        break;
      case Activation::kHardSilu:
        c.kinks = {-3, 3};
        break;
      case Activation::kSparseSigmoid:
      case Activation::kHardTanh:
        c.kinks = {-1, 1};
        break;
      case Activation::kHardShrink:
      case Activation::kSoftShrink:
        if (c.kinks.empty()) c.kinks = {-0.5, 0.5};
        break;
      default:
        break;
    }
  }
  return all;
}

std::vector<float> random_floats(size_t size, float low, float high, uint64_t seed) {
  core::Rng rng(seed);
  std::vector<float> values(size);
  for (float& value : values) value = rng.uniform(low, high);
  return values;
}

// A thousand numbers of each magnitude, both signs; large ones only where exp() has an answer.
std::vector<float> inputs() {
  std::vector<float> x = {0, -0.0f};
  for (const float size : {1e-30f, 1e-6f, 1e-3f, 0.1f, 1.0f, 4.0f, 12.0f, 30.0f, 80.0f}) {
    for (const float value : random_floats(1001, -size, size, 3)) x.push_back(value);
  }
  return x;
}

class ActivationLoopsTest : public ::testing::TestWithParam<Case> {};

TEST_P(ActivationLoopsTest, ComputesTheFunctionToAFewUnitsInTheLastPlace) {
  const Activation& f = GetParam().f;
  const std::vector<float> x = inputs();
  std::vector<float> y(x.size());
  activate(f, static_cast<int64_t>(x.size()), x.data(), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(f, x[i]);
    // Of a difference as x - tanh(x) the error is that of what is taken away. Beyond exp(-80)
    // numbers lose digits one by one.
    const bool difference = f == Activation::kTanhShrink || f.kind == Activation::kSoftShrink ||
                            f.kind == Activation::kHardSigmoid || f == Activation::kHardSilu ||
                            f == Activation::kSparseSigmoid || f == Activation::kSparsePlus;
    // The exponent of gelu's tail is rounded itself.
    const double exponent = f == Activation::kGelu || f == Activation::kGeluTanh
                                ? std::min(1.0 + std::abs(x[i]) * std::abs(x[i]), 100.0)
                                : 1 + 0.1 * std::abs(x[i]);
    const double tolerance = 5e-7 * exponent * std::abs(expected) +
                             (difference ? 2e-7 * std::min(1.0, std::abs(double{x[i]})) : 0) +
                             (difference && f != Activation::kTanhShrink ? 1e-7 : 0) + 1e-33;
    ASSERT_NEAR(y[i], expected, tolerance) << "f(" << x[i] << ")";
  }
}

TEST_P(ActivationLoopsTest, MultipliesTheGradientByTheSlope) {
  const Case& c = GetParam();
  for (size_t n : {1u, 15u, 16u, 17u, 1667u}) {
    const std::vector<float> x = random_floats(n, -4, 7, 1);
    const std::vector<float> before = random_floats(n, -1, 1, 2);
    std::vector<float> y(n), gradient = before;
    gradient.push_back(7);  // behind the end
    const auto size = static_cast<int64_t>(n);
    activate(c.f, size, x.data(), y.data());
    if (c.f.is_differentiable_from_output()) {
      differentiate(c.f, size, y.data(), gradient.data());
    } else {
      differentiate_from_input(c.f, size, x.data(), gradient.data());
    }
    for (size_t i = 0; i < n; ++i) {
      const bool near_kink = std::any_of(c.kinks.begin(), c.kinks.end(),
                                         [&](double kink) { return std::abs(x[i] - kink) < 1e-3; });
      if (near_kink) continue;
      const double slope = exact_slope(c.f, x[i]);
      ASSERT_NEAR(gradient[i], before[i] * slope, 2e-6 * std::max(1.0, std::abs(slope)))
          << "f'(" << x[i] << "), " << i << " of " << n;
    }
    EXPECT_EQ(gradient.back(), 7);
  }
}

TEST_P(ActivationLoopsTest, BothDerivativesAgreeWhereThereAreBoth) {
  const Activation& f = GetParam().f;
  const bool has_both = f.kind == Activation::kRectifier || f.kind == Activation::kElu;
  if (!has_both || !f.is_differentiable_from_output()) return;
  const std::vector<float> x = random_floats(1000, -4, 7, 1);
  std::vector<float> y(1000), from_output(1000, 1.0f), from_input = from_output;
  activate(f, 1000, x.data(), y.data());
  differentiate(f, 1000, y.data(), from_output.data());
  differentiate_from_input(f, 1000, x.data(), from_input.data());
  for (size_t i = 0; i < 1000; ++i) ASSERT_NEAR(from_output[i], from_input[i], 1e-6) << x[i];
}

TEST_P(ActivationLoopsTest, GoesToItsLimitsAndKeepsNaN) {
  const Activation& f = GetParam().f;
  std::vector<float> data{kNaN, 1e4f, -1e4f, 3e38f, -3e38f};
  activate(f, 5, data.data());
  if (f.kind != Activation::kRelu && f.kind != Activation::kRectifier) {
    EXPECT_TRUE(std::isnan(data[0]));
  }
  if (f == Activation::kExponential) {
    EXPECT_EQ(data[1], kInfinity);
  } else {
    EXPECT_NEAR(data[1], exact(f, 1e4), 1e-2);
  }
  EXPECT_NEAR(data[2], exact(f, -1e4), 1e-2);
  EXPECT_FALSE(std::isnan(data[3])) << "of a very large number";
  EXPECT_FALSE(std::isnan(data[4])) << "of a very small one";
}

TEST_P(ActivationLoopsTest, ComputesBfloat16ThroughFloats) {
  const Activation& f = GetParam().f;
  constexpr int64_t kSize = 2077;
  std::vector<float> x = random_floats(kSize, -3, 5, 5);
  std::vector<Bfloat16> narrow(kSize);
  convert(kSize, x.data(), narrow.data());
  convert(kSize, narrow.data(), x.data());
  std::vector<float> expected(kSize), actual(kSize);
  activate(f, kSize, x.data(), expected.data());
  Buffer buffer;
  buffer.data = reinterpret_cast<float*>(narrow.data());
  Value value;
  value.data = &buffer;
  value.type = Type::kBfloat16;
  activate(f, value, 1, kSize);
  convert(kSize, narrow.data(), actual.data());
  EXPECT_EQ(actual[0], x[0]) << "lies before the first element";
  for (size_t i = 1; i < kSize; ++i) {
    ASSERT_NEAR(actual[i], expected[i], 0.005 * std::abs(expected[i]) + 1e-30) << x[i];
  }
}

INSTANTIATE_TEST_SUITE_P(All, ActivationLoopsTest, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(ActivationLoopsTest, ReluPassesNothingAtZeroAndLinearEverything) {
  const std::vector<float> y{0, -0.0f, 1e-30f};
  std::vector<float> gradient{1, 2, 3};
  differentiate(Activation::kRelu, 3, y.data(), gradient.data());
  EXPECT_THAT(gradient, ElementsAre(0, 0, 3));
  differentiate(Activation::kLinear, 3, y.data(), gradient.data());
  EXPECT_THAT(gradient, ElementsAre(0, 0, 3));
}

}  // namespace
}  // namespace sluice::backend::cpu
