// The loops against double precision, over sizes that do and do not fill a vector register.
#include "backend/cpu/elementwise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

using ::testing::ElementsAre;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_floats(size_t size, float low, float high, uint64_t seed = 1) {
  core::Rng rng(seed);
  std::vector<float> values(size);
  for (float& value : values) value = rng.uniform(low, high);
  return values;
}

TEST(SumRowsTest, AddsEveryColumnUp) {
  for (size_t rows : {1u, 2u, 37u}) {
    for (size_t columns : {1u, 15u, 16u, 33u}) {
      const std::vector<float> x = random_floats(rows * columns, -1, 1);
      std::vector<float> sums(columns + 1, kNaN);
      sums.back() = 7;
      sum_rows(static_cast<int64_t>(rows), static_cast<int64_t>(columns), x.data(), sums.data());
      for (size_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (size_t i = 0; i < rows; ++i) sum += x[i * columns + j];
        ASSERT_NEAR(sums[j], sum, 1e-5);
      }
      EXPECT_EQ(sums.back(), 7);
    }
  }
}

TEST(SoftmaxTest, EqualsTheDefinitionAlsoInPlace) {
  constexpr size_t kRows = 3;
  for (size_t columns : {1u, 2u, 15u, 16u, 17u, 1000u}) {
    const std::vector<float> x = random_floats(kRows * columns, -8, 8);
    std::vector<float> y(x.size(), kNaN);
    softmax(kRows, static_cast<int64_t>(columns), x.data(), y.data());
    for (size_t i = 0; i < kRows; ++i) {
      double sum = 0;
      for (size_t j = 0; j < columns; ++j) sum += std::exp(static_cast<double>(x[i * columns + j]));
      for (size_t j = 0; j < columns; ++j) {
        const double expected = std::exp(static_cast<double>(x[i * columns + j])) / sum;
        ASSERT_NEAR(y[i * columns + j], expected, 2e-6 * expected) << j << " of " << columns;
      }
    }
    std::vector<float> in_place = x;
    softmax(kRows, static_cast<int64_t>(columns), in_place.data(), in_place.data());
    EXPECT_EQ(in_place, y);
  }
}

TEST(SoftmaxTest, LogitsThatExpCannotHoldAreNoProblem) {
  std::vector<float> x{10000, 9999, 0, 3e38f, -3e38f, 0, -3e38f, -3e38f, -3e38f};
  softmax(3, 3, x.data(), x.data());
  const auto near = [](double value) {
    return ::testing::FloatNear(static_cast<float>(value), 1e-6f);
  };
  const double e = std::exp(1.0);
  EXPECT_THAT(x, ElementsAre(near(e / (e + 1)), near(1 / (e + 1)), 0, 1, 0, 0, near(1.0 / 3),
                             near(1.0 / 3), near(1.0 / 3)));
}

TEST(SoftmaxGradientTest, IsTheJacobianTimesTheGradient) {
  constexpr size_t kRows = 2;
  for (size_t columns : {1u, 3u, 16u, 53u}) {
    std::vector<float> y = random_floats(kRows * columns, -3, 3);
    const std::vector<float> dy = random_floats(y.size(), -1, 1, 2);
    std::vector<float> dx(y.size(), kNaN);
    softmax(kRows, static_cast<int64_t>(columns), y.data(), y.data());
    softmax_gradient(kRows, static_cast<int64_t>(columns), y.data(), dy.data(), dx.data());
    for (size_t at = 0; at < y.size(); ++at) {
      const size_t row = at / columns * columns;
      double expected = 0;  // sum over k of dy_k y_k (d_jk - y_j)
      for (size_t k = row; k < row + columns; ++k) {
        const double same = k == at ? 1 : 0;
        expected += static_cast<double>(dy[k]) * y[k] * (same - y[at]);
      }
      ASSERT_NEAR(dx[at], expected, 1e-6) << at << " of " << columns;
    }
  }
}

}  // namespace
}  // namespace sluice::backend::cpu
