#include "nn/initializers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace sluice::nn {
namespace {

struct Statistics {
  double mean = 0, deviation = 0, largest = 0;
};

Statistics draw(const char* name, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.size()));
  core::Rng rng(3);
  find_initializer(name)->fill(shape, rng, values);
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
  std::vector<float> values(5, 7.0f);
  core::Rng rng(1);
  find_initializer("zeros")->fill({5}, rng, values);
  EXPECT_EQ(values, std::vector<float>(5, 0.0f));
  find_initializer("ones")->fill({5}, rng, values);
  EXPECT_EQ(values, std::vector<float>(5, 1.0f));
}

TEST(InitializersTest, KerasSpellingsFindTheSameInitializer) {
  EXPECT_EQ(find_initializer("GlorotUniform"), find_initializer("glorot_uniform"));
  EXPECT_EQ(find_initializer("zero"), find_initializer("Zeros"));
  EXPECT_EQ(find_initializer("one"), find_initializer("ones"));
  EXPECT_EQ(find_initializer("orthogonal"), nullptr);
}

TEST(InitializersTest, VarianceScalingOfOldFilesIsRecognised) {
  EXPECT_EQ(find_variance_scaling(1, "fan_avg", "uniform"), find_initializer("glorot_uniform"));
  EXPECT_EQ(find_variance_scaling(1, "fan_avg", "normal"), find_initializer("glorot_normal"));
  EXPECT_EQ(find_variance_scaling(2, "fan_in", "truncated_normal"), find_initializer("he_normal"));
  EXPECT_EQ(find_variance_scaling(1, "fan_in", "uniform"), find_initializer("lecun_uniform"));
  EXPECT_EQ(find_variance_scaling(3, "fan_in", "uniform"), nullptr);
  EXPECT_EQ(find_variance_scaling(1, "fan_out", "uniform"), nullptr);
  EXPECT_EQ(find_variance_scaling(1, "fan_avg", "untruncated_normal"), nullptr);
}

}  // namespace
}  // namespace sluice::nn
