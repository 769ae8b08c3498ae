#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <stdexcept>

#include "core/rng.h"
#include "optim/decimal.h"
#include "tests/support/optimizers.h"

namespace sluice::optim {
namespace {

using Values = std::vector<float>;

// Three steps from w = (1, 2, -3) with the gradients below. The expected values were computed by
// Keras 3.15.1 (TensorFlow, float32); each test's comment works the first element by hand.
const std::vector<Values> kGradients = {
    {1.0f, -2.0f, 0.5f}, {-0.5f, -2.0f, 0.25f}, {2.0f, 0.0f, -1.0f}};

void expect_steps(const OptimizerSpec& spec, const std::vector<Values>& expected) {
  Values w = {1, 2, -3};
  Optimizer optimizer(spec, w.size());
  for (size_t step = 0; step < expected.size(); ++step) {
    optimizer.apply(w, kGradients[step]);
    for (size_t i = 0; i < w.size(); ++i) {
      EXPECT_NEAR(w[i], expected[step][i], 4e-7) << "step " << step + 1 << " element " << i;
    }
  }
}

TEST(OptimizerTest, SgdSubtractsTheScaledGradient) {
  // 1 - 0.1 * 1 = 0.9; 0.9 + 0.1 * 0.5 = 0.95; 0.95 - 0.1 * 2 = 0.75.
  expect_steps(SGD({.learning_rate = 0.1f}),
               {{0.9f, 2.2f, -3.05f}, {0.95f, 2.4f, -3.075f}, {0.75f, 2.4f, -2.975f}});
}

TEST(OptimizerTest, AnotherLearningRateIsInForceFromTheNextStepOn) {
  Values w = {1};
  Optimizer optimizer(SGD({.learning_rate = 0.5f, .momentum = 0.5f}), 1);
  optimizer.apply(w, Values{1});  // m = -0.5
  EXPECT_EQ(w, Values{0.5f});
  optimizer.set_learning_rate(0.25f);
  optimizer.apply(w, Values{1});  // m = -0.25 - 0.25
  EXPECT_EQ(w, Values{0});
  EXPECT_THROW(optimizer.set_learning_rate(-1), std::invalid_argument);
  EXPECT_THROW(optimizer.set_learning_rate(NAN), std::invalid_argument);
  optimizer.apply(w, Values{1});  // m = -0.25 - 0.25
  EXPECT_EQ(w, Values{-0.5f}) << "what was refused has changed nothing";
}

TEST(OptimizerTest, MomentumKeepsAVelocity) {
  // m = -0.1, w = 0.9; m = -0.09 + 0.05 = -0.04, w = 0.86; m = -0.036 - 0.2 = -0.236, w = 0.624.
  expect_steps(SGD({.learning_rate = 0.1f, .momentum = 0.9f}),
               {{0.9f, 2.2f, -3.05f}, {0.86f, 2.58f, -3.12f}, {0.624f, 2.922f, -3.083f}});
}

TEST(OptimizerTest, NesterovLooksAheadWithTheNewVelocity) {
  // m = -0.1, w = 1 - 0.09 - 0.1 = 0.81; m = -0.04, w = 0.81 - 0.036 + 0.05 = 0.824;
  // m = -0.236, w = 0.824 - 0.2124 - 0.2 = 0.4116.
  expect_steps(SGD({.learning_rate = 0.1f, .momentum = 0.9f, .nesterov = true}),
               {{0.81f, 2.38f, -3.095f}, {0.824f, 2.922f, -3.183f}, {0.4116f, 3.2298f, -3.0497f}});
}

TEST(OptimizerTest, RmspropDividesByTheRootOfTheMeanSquare) {
  // v = 0.1, w = 1 - 0.01 / sqrt(0.1) = 0.9683772; v = 0.09 + 0.025 = 0.115,
  // w = 0.9683772 + 0.005 / sqrt(0.115) = 0.9831214; v = 0.1035 + 0.4, w -= 0.02 / sqrt(0.5035).
  expect_steps(RMSprop({.learning_rate = 0.01f}), {{0.96837723f, 2.0316229f, -3.0316226f},
                                                   {0.98312140f, 2.0545645f, -3.0463669f},
                                                   {0.95493561f, 2.0545645f, -3.0181811f}});
}

TEST(OptimizerTest, RmspropMomentumAddsUpTheSteps) {
  // v = 0.2, m = 0.01 / sqrt(0.2) = 0.0223607; v = 0.21, m = 0.0111803 - 0.005 / sqrt(0.21)
  // = 0.0002695, w = 0.9773698.
  expect_steps(RMSprop({.learning_rate = 0.01f, .rho = 0.8f, .momentum = 0.5f}),
               {{0.97763932f, 2.0223606f, -3.0223606f},
                {0.97736984f, 2.0502076f, -3.0444517f},
                {0.95690721f, 2.0641310f, -3.0351694f}});
}

TEST(OptimizerTest, CenteredRmspropDividesByTheVarianceWithEpsilonInsideTheRoot) {
  // v = 0.1, a = 0.1, d = 0.09, w = 1 - 0.01 / sqrt(0.091) = 0.9668503.
  expect_steps(RMSprop({.learning_rate = 0.01f, .epsilon = 1e-3f, .centered = true}),
               {{0.96685034f, 2.0332870f, -3.0326164f},
                {0.98163313f, 2.0587571f, -3.0484755f},
                {0.95177919f, 2.0587571f, -3.0202484f}});
}

TEST(OptimizerTest, CenteredRmspropWithMomentum) {
  expect_steps(
      RMSprop({.learning_rate = 0.01f, .momentum = 0.5f, .epsilon = 1e-3f, .centered = true}),
      {{0.96685034f, 2.0332870f, -3.0326164f},
       {0.96505833f, 2.0754006f, -3.0647836f},
       {0.93430835f, 2.0964572f, -3.0526400f}});
}

TEST(OptimizerTest, CenteredRmspropStaysFiniteWhenTheVarianceRoundsBelowZero) {
  Values w = {0};
  Optimizer optimizer(RMSprop({.centered = true}), 1);
  for (int step = 0; step < 500; ++step) {
    optimizer.apply(w, Values{10.3f});
    ASSERT_TRUE(std::isfinite(w[0])) << "step " << step;
  }
}

TEST(OptimizerTest, AdagradAddsUpSquares) {
  // a = 0.1 + 1, w = 1 - 0.1 / sqrt(1.1) = 0.9046537; a = 1.35, w += 0.05 / sqrt(1.35).
  expect_steps(Adagrad({.learning_rate = 0.1f}), {{0.90465373f, 2.0987730f, -3.0845153f},
                                                  {0.94768685f, 2.1690459f, -3.1234403f},
                                                  {0.86121929f, 2.1690459f, -3.0392997f}});
}

TEST(OptimizerTest, AdamCorrectsTheBias) {
  // m = 0.1, v = 0.001, step = 0.01 sqrt(0.001) / 0.1 * 0.1 / sqrt(0.001) = 0.01;
  // m = 0.04, v = 0.001249, w = 0.99 - 0.01 sqrt(0.001999) / 0.19 * 0.04 / sqrt(0.001249).
  expect_steps(Adam({.learning_rate = 0.01f}), {{0.99f, 2.01f, -3.01f},
                                                {0.98733681f, 2.02f, -3.0193214f},
                                                {0.98075575f, 2.0277300f, -3.0172579f}});
}

TEST(OptimizerTest, AdamAddsEpsilonToTheUncorrectedRoot) {
  // step = 0.01 * sqrt(0.001) / 0.1 * 0.1 / (sqrt(0.001) + 0.1) = 0.0024025.
  expect_steps(Adam({.learning_rate = 0.01f, .epsilon = 0.1f}),
               {{0.99759746f, 2.0038743f, -3.0013652f},
                {0.99690199f, 2.0085950f, -3.0027649f},
                {0.99413735f, 2.0122433f, -3.0022163f}});
}

TEST(OptimizerTest, AdamsSecondMomentUsesTheDecimalComplementOfBeta2) {
  // 1 - 0.999 is 0.001, not the 0.00099998713 that float arithmetic makes of it.
  Values w = {0};
  Optimizer optimizer(Adam(), 1);
  optimizer.apply(w, Values{1});
  EXPECT_FLOAT_EQ(optimizer.slots()[1].second[0], 0.001f);
}

class CutTest : public testing::TestWithParam<OptimizerSpec> {};

TEST_P(CutTest, ResultsAreBitIdenticalHoweverTheRangeIsCut) {
  constexpr size_t kSize = 1013;  // a prime: every loop has a tail
  const std::vector<size_t> cuts = {0, 1, 4, 9, 26, 57, 124, 251, 500, 505, 1000, kSize};
  core::Rng rng(7);
  Values whole(kSize);
  for (float& w : whole) w = rng.normal();
  Values in_pieces = whole;
  Optimizer one(GetParam(), kSize);
  Optimizer many(GetParam(), kSize);
  for (int step = 0; step < 5; ++step) {
    Values g(kSize);
    for (float& value : g) value = rng.normal();
    one.apply(whole, g);
    many.begin_step();
    for (size_t i = cuts.size() - 1; i > 0; --i) {  // in any order
      const size_t begin = cuts[i - 1];
      const size_t size = cuts[i] - begin;
      many.apply_range(begin, std::span(in_pieces).subspan(begin, size),
                       std::span(g).subspan(begin, size));
    }
  }
  for (size_t i = 0; i < kSize; ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(whole[i]), std::bit_cast<uint32_t>(in_pieces[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(EverySetting, CutTest, testing::ValuesIn(every_setting()),
                         [](const auto& the) {
                           return the.param.name + "_" + std::to_string(the.index);
                         });

std::vector<std::string> slot_names(const OptimizerSpec& spec) {
  Optimizer optimizer(spec, 3);
  std::vector<std::string> names;
  for (const auto& [name, values] : optimizer.slots()) {
    EXPECT_EQ(values.size(), 3u);
    names.push_back(name);
  }
  return names;
}

TEST(OptimizerTest, SlotsAreNamedAsInKeras) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(slot_names("sgd"), Names());
  EXPECT_EQ(slot_names(SGD({.momentum = 0.9f})), Names({"momentum"}));
  EXPECT_EQ(slot_names("rmsprop"), Names({"velocity"}));
  EXPECT_EQ(slot_names(RMSprop({.momentum = 0.9f, .centered = true})),
            Names({"velocity", "momentum", "average_gradient"}));
  EXPECT_EQ(slot_names("adagrad"), Names({"accumulator"}));
  EXPECT_EQ(slot_names("adadelta"), Names({"accumulated_grad", "accumulated_delta_var"}));
  EXPECT_EQ(slot_names("adam"), Names({"momentum", "velocity"}));
  EXPECT_EQ(slot_names("adamw(amsgrad=true)"), Names({"momentum", "velocity", "velocity_hat"}));
  EXPECT_EQ(slot_names("adamax"), Names({"momentum", "norm"}));
  EXPECT_EQ(slot_names("nadam"), Names({"momentum", "velocity"}));
  EXPECT_EQ(slot_names("lion"), Names({"momentum"}));
  EXPECT_EQ(slot_names("ftrl"), Names({"accumulator", "linear"}));
  EXPECT_EQ(slot_names("adam(use_ema=true)"), Names({"average", "momentum", "velocity"}));
}

// What has no sign or size stays visible: it is not turned into a step.
TEST(OptimizerTest, AGradientThatIsNanMakesAParameterThatIsNan) {
  for (const OptimizerSpec& spec : every_setting()) {
    Values w = {1};
    Optimizer optimizer(spec, 1);
    optimizer.apply(w, Values{NAN});
    EXPECT_TRUE(std::isnan(w[0])) << spec.name;
  }
}

TEST(OptimizerTest, AveragesAreThoseOfTheParametersAfterEachStep) {
  // w = 0.5, 0.25, -0.25; a = 0.5, (0.5 + 0.25) / 2 = 0.375, which w becomes, then
  // w = 0.375 - 0.5 = -0.125, a = (0.375 - 0.125) / 2.
  Values w = {1};
  Optimizer optimizer(SGD({.learning_rate = 0.5,
                           .use_ema = true,
                           .ema_momentum = 0.5f,
                           .ema_overwrite_frequency = 2}),
                      1);
  EXPECT_TRUE(optimizer.averages().empty());
  optimizer.apply(w, Values{1});
  EXPECT_EQ(w[0], 0.5f);
  EXPECT_EQ(optimizer.averages()[0], 0.5f);
  optimizer.apply(w, Values{0.5f});
  EXPECT_EQ(w[0], 0.375f);
  optimizer.apply(w, Values{1});
  EXPECT_EQ(w[0], -0.125f);
  EXPECT_EQ(optimizer.averages()[0], 0.125f);
}

TEST(OptimizerTest, SeveralStepsOfAnAverageAtOnceKeepAPowerOfItsMomentum) {
  const OptimizerSpec spec = Adam({.use_ema = true, .ema_momentum = 0.9f});
  EXPECT_EQ(average_factors_of(spec, 0, 5).keep, 0);
  EXPECT_EQ(average_factors_of(spec, 5, 1).keep, 0.9f);
  EXPECT_FLOAT_EQ(average_factors_of(spec, 5, 3).keep, 0.9f * 0.9f * 0.9f);
  EXPECT_EQ(average_factors_of(spec, 5, 0).keep, 1);
  EXPECT_EQ(average_factors_of(Adam({.use_ema = true, .ema_momentum = 0}), 5, 2).keep, 0);
}

TEST(OptimizerTest, NadamsProductNeedsNoState) {
  // Multiplied up as Keras does, past where it has become too small to matter.
  for (const float beta_1 : {0.5f, 0.9f, 0.9999f}) {
    double product = 1;
    for (int64_t t = 1; t <= 3000; ++t) {
      const auto momentum = [&](int64_t step) {
        return decimal_of(beta_1) * (1 - 0.5 * std::pow(0.96, static_cast<double>(step)));
      };
      product *= momentum(t);
      const StepFactors factors = factors_of(Nadam({.beta_1 = beta_1}), t);
      ASSERT_FLOAT_EQ(factors.a,
                      static_cast<float>(momentum(t + 1) / (1 - product * momentum(t + 1))));
      ASSERT_FLOAT_EQ(factors.b, static_cast<float>((1 - momentum(t)) / (1 - product)));
    }
  }
}

TEST(OptimizerDeathTest, RangeOutsideThePieceIsABrokenInvariant) {
  Optimizer optimizer("sgd", 4);
  Values w(3), g(3);
  EXPECT_DEATH(optimizer.apply_range(2, w, g), "internal error");
  EXPECT_DEATH(optimizer.apply(w, g), "3 of 4");
}

}  // namespace
}  // namespace sluice::optim
