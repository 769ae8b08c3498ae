#include "nn/initializers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

struct Statistics {
  double mean = 0, deviation = 0, largest = 0;
};

constexpr Argument kArgument{"Dense", "kernel_initializer"};

std::vector<float> drawn(const Initializer& initializer, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.size()), 7.0f);
  core::Rng rng(3);
  fill(parse_initializer(kArgument, initializer), shape, rng, values);
  return values;
}

Statistics draw(const Initializer& initializer, const Shape& shape) {
  const std::vector<float> values = drawn(initializer, shape);
  Statistics result;
  for (float v : values) {
    result.mean += v;
    result.largest = std::max(result.largest, std::abs(static_cast<double>(v)));
  }
  result.mean /= static_cast<double>(values.size());
  for (float v : values) result.deviation += (v - result.mean) * (v - result.mean);
  result.deviation = std::sqrt(result.deviation / static_cast<double>(values.size()));
  return result;
}

TEST(InitializersTest, FansOfDenseKernelsConvolutionsAndBiases) {
  EXPECT_EQ(compute_fans({20, 30}).in, 20);
  EXPECT_EQ(compute_fans({20, 30}).out, 30);
  EXPECT_EQ(compute_fans({3, 5, 7, 11}).in, 105);   // 3 * 5 * 7
  EXPECT_EQ(compute_fans({3, 5, 7, 11}).out, 165);  // 3 * 5 * 11
  EXPECT_EQ(compute_fans({9}).in, 9);
  EXPECT_EQ(compute_fans({9}).out, 9);
  EXPECT_EQ(compute_fans({}).in, 1);
}

// A uniform distribution on (-l, l) has the deviation l / sqrt(3).
void expect_uniform(const char* name, double limit) {
  const Statistics s = draw(name, {3, 3, 50, 150});  // fan_in 450, fan_out 1350, 67,500 values
  EXPECT_LE(s.largest, limit) << name;
  EXPECT_GT(s.largest, 0.999 * limit) << name;
  EXPECT_NEAR(s.mean, 0, 0.01 * limit) << name;
  EXPECT_NEAR(s.deviation, limit / std::sqrt(3.0), 0.01 * limit) << name;
}

TEST(InitializersTest, UniformInitializersStayWithinTheirLimit) {
  expect_uniform("glorot_uniform", std::sqrt(6.0 / 1800));
  expect_uniform("he_uniform", std::sqrt(6.0 / 450));
  expect_uniform("lecun_uniform", std::sqrt(3.0 / 450));
}

// Cut at two deviations of the uncut distribution, whose deviation is s / 0.87962566.
void expect_truncated_normal(const char* name, double deviation) {
  const Statistics s = draw(name, {3, 3, 50, 150});
  EXPECT_NEAR(s.mean, 0, 0.015 * deviation) << name;
  EXPECT_NEAR(s.deviation, deviation, 0.01 * deviation) << name;
  EXPECT_LE(s.largest, 2.2737 * deviation) << name;  // 2 / 0.87962566
  EXPECT_GT(s.largest, 2.26 * deviation) << name;
}

TEST(InitializersTest, NormalInitializersAreTruncatedAndKeepTheirDeviation) {
  expect_truncated_normal("glorot_normal", std::sqrt(2.0 / 1800));
  expect_truncated_normal("he_normal", std::sqrt(2.0 / 450));
  expect_truncated_normal("lecun_normal", std::sqrt(1.0 / 450));
}

TEST(InitializersTest, ConstantsFill) {
  EXPECT_EQ(drawn("zeros", {5}), std::vector<float>(5, 0.0f));
  EXPECT_EQ(drawn("ones", {5}), std::vector<float>(5, 1.0f));
  EXPECT_EQ(drawn("constant", {5}), std::vector<float>(5, 0.0f));
  EXPECT_EQ(drawn({"constant", {{"value", -2.5}}}, {5}), std::vector<float>(5, -2.5f));
}

TEST(InitializersTest, RandomOnesHaveTheirArgumentsMoments) {
  const Shape many{300, 300};
  const Statistics normal = draw({"random_normal", {{"mean", 1.0}, {"stddev", 0.5}}}, many);
  EXPECT_NEAR(normal.mean, 1, 0.01);
  EXPECT_NEAR(normal.deviation, 0.5, 0.005);
  EXPECT_GT(normal.largest, 1 + 3 * 0.5) << "is not cut";
  EXPECT_NEAR(draw("random_normal", many).deviation, 0.05, 5e-4);
  const Statistics uniform = draw({"random_uniform", {{"minval", 1.0}, {"maxval", 3.0}}}, many);
  EXPECT_NEAR(uniform.mean, 2, 0.01);
  EXPECT_NEAR(uniform.deviation, 2 / std::sqrt(12.0), 0.005);
  EXPECT_LE(uniform.largest, 3);
  EXPECT_LE(draw("random_uniform", many).largest, 0.05);
  // Cut, and not scaled: 0.8796 of the deviation is left.
  const Statistics cut = draw({"truncated_normal", {{"stddev", 2.0}}}, many);
  EXPECT_NEAR(cut.deviation, 2 * 0.87962566, 0.02);
  EXPECT_LE(cut.largest, 4);
  EXPECT_GT(cut.largest, 3.99);
}

TEST(InitializersTest, VarianceScalingCountsTheFansOfItsMode) {
  const Shape kernel{3, 3, 50, 150};  // fan_in 450, fan_out 1350
  const auto deviation = [&](const char* mode, const char* distribution) {
    return draw(
        {"variance_scaling", {{"scale", 3.0}, {"mode", mode}, {"distribution", distribution}}},
        kernel);
  };
  EXPECT_NEAR(deviation("fan_in", "uniform").deviation, std::sqrt(3.0 / 450), 1e-3);
  EXPECT_NEAR(deviation("fan_out", "uniform").largest, std::sqrt(9.0 / 1350), 1e-3);
  EXPECT_NEAR(deviation("fan_avg", "truncated_normal").deviation, std::sqrt(3.0 / 900), 1e-3);
  const Statistics whole = deviation("fan_out", "untruncated_normal");
  EXPECT_NEAR(whole.deviation, std::sqrt(3.0 / 1350), 1e-3);
  EXPECT_GT(whole.largest, 3 * whole.deviation);
}

TEST(InitializersTest, OrthogonalColumnsAndRows) {
  const auto products = [](const Shape& shape, bool of_columns) {
    const std::vector<float> w = drawn({"orthogonal", {{"gain", 2.0}}}, shape);
    const int64_t columns = shape.dims().back(), rows = shape.size() / columns;
    const auto at = [&](int64_t vector, int64_t i) {
      return w[static_cast<size_t>(of_columns ? i * columns + vector : vector * columns + i)];
    };
    const int64_t vectors = of_columns ? columns : rows, length = of_columns ? rows : columns;
    for (int64_t a = 0; a < vectors; ++a) {
      for (int64_t b = 0; b < vectors; ++b) {
        double product = 0;
        for (int64_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
        ASSERT_NEAR(product, a == b ? 4 : 0, 1e-5) << a << " " << b;
      }
    }
  };
  products({3, 5, 8}, true);
  products({4, 9}, false);
  products({6, 6}, true);
  EXPECT_EQ(drawn("orthogonal", {6, 6}), drawn("Orthogonal", {6, 6}));
}

TEST(InitializersTest, IdentityIsOnTheDiagonal) {
  EXPECT_EQ(drawn({"identity", {{"gain", 3.0}}}, {2, 3}), (std::vector<float>{3, 0, 0, 0, 3, 0}));
  EXPECT_EQ(shape_problem("identity", {2, 3}), "");
  EXPECT_NE(shape_problem("identity", {3}), "");
  EXPECT_NE(shape_problem("identity", {2, 2, 2}), "");
  EXPECT_NE(shape_problem("orthogonal", {3}), "");
  EXPECT_EQ(shape_problem("orthogonal", {3, 3, 1}), "");
}

TEST(InitializersTest, KerasSpellingsAreTheSameInitializer) {
  const auto parsed = [](const Initializer& initializer) {
    return parse_initializer(kArgument, initializer);
  };
  EXPECT_EQ(parsed("GlorotUniform"), "glorot_uniform");
  EXPECT_EQ(parsed("zero"), "zeros");
  EXPECT_EQ(parsed("one"), "ones");
  EXPECT_EQ(parsed("normal"), "random_normal");
  EXPECT_EQ(parsed("uniform"), "random_uniform");
  EXPECT_EQ(parsed("IdentityInitializer"), "identity");
  EXPECT_FALSE(is_initializer("magic"));
}

TEST(InitializersTest, ArgumentsAreCheckedAndDefaultsLeftOut) {
  const auto parsed = [](const Initializer& initializer) {
    return parse_initializer(kArgument, initializer);
  };
  EXPECT_EQ(parsed({"RandomNormal", {{"mean", 0.0}, {"stddev", 0.05}, {"seed", int64_t{3}}}}),
            "random_normal");
  EXPECT_EQ(parsed({"random_normal", {{"stddev", int64_t{1}}}}),
            Initializer("random_normal", {{"stddev", 1.0}}));
  const auto refused = [&](const Initializer& initializer) {
    return message_of([&] { parsed(initializer); });
  };
  EXPECT_EQ(refused({"random_normal", {{"std", 1.0}}}),
            "Dense: kernel_initializer = \"random_normal\": has no \"std\"; it takes mean stddev");
  EXPECT_EQ(refused({"random_normal", {{"stddev", -1.0}}}),
            "Dense: kernel_initializer = \"random_normal\": stddev is negative");
  EXPECT_EQ(refused({"random_uniform", {{"minval", 1.0}}}),
            "Dense: kernel_initializer = \"random_uniform\": minval is larger than maxval");
  for (const double value : {static_cast<double>(INFINITY), 1e300, -1e39, std::nan("")}) {
    EXPECT_EQ(refused({"constant", {{"value", value}}}),
              "Dense: kernel_initializer = \"constant\": \"value\" must be finite as float32 "
              "(3.4e38 at most)");
  }
  EXPECT_EQ(refused({"random_uniform", {{"minval", -3e38}, {"maxval", 3e38}}}),
            "Dense: kernel_initializer = \"random_uniform\": minval and maxval are too far apart "
            "for float32");
  EXPECT_NE(refused({"variance_scaling", {{"scale", 0.0}}}), "nothing was thrown");
  EXPECT_NE(refused({"variance_scaling", {{"mode", "fan"}}}), "nothing was thrown");
  EXPECT_NE(refused({"variance_scaling", {{"distribution", "flat"}}}), "nothing was thrown");
  EXPECT_NE(refused({"glorot_uniform", {{"input_axes", std::vector<int64_t>{0}}}}),
            "nothing was thrown");
}

TEST(InitializersTest, VarianceScalingThatHasANameIsCalledSo) {
  const auto parsed = [](double scale, const char* mode, const char* distribution) {
    return parse_initializer(
        kArgument,
        {"VarianceScaling", {{"scale", scale}, {"mode", mode}, {"distribution", distribution}}});
  };
  EXPECT_EQ(parsed(1, "fan_avg", "uniform"), "glorot_uniform");
  EXPECT_EQ(parsed(1, "fan_avg", "normal"), "glorot_normal");
  EXPECT_EQ(parsed(2, "fan_in", "truncated_normal"), "he_normal");
  EXPECT_EQ(parsed(1, "fan_in", "uniform"), "lecun_uniform");
  EXPECT_EQ(parsed(3, "fan_in", "normal"), Initializer("variance_scaling", {{"scale", 3.0}}));
  EXPECT_EQ(parse_initializer(kArgument, "variance_scaling"), "lecun_normal");
}

}  // namespace
}  // namespace sluice::nn
