#include "backend/cpu/dense_row.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::backend::cpu {
namespace {

TEST(DenseRowTest, IsTheProductOfAnyPartOfTheUnits) {
  for (const int64_t features : {1, 7, 8, 9, 27}) {
    for (const int64_t units : {1, 5, 16, 33}) {
      std::vector<float> x, w, b(static_cast<size_t>(units), 0.5f);
      for (int64_t i = 0; i < features; ++i) x.push_back(static_cast<float>(i % 5) - 2);
      for (int64_t i = 0; i < features * units; ++i) w.push_back(static_cast<float>(i % 7) - 3);
      std::vector<float> y(b.size(), -1);
      const DenseRow row{features, units, x.data(), w.data(), b.data(), y.data()};
      const int64_t middle = units / 2;
      dense_row(row, middle, units);
      EXPECT_EQ(y[0], middle > 0 ? -1 : y[0]);
      dense_row(row, 0, middle);
      for (int64_t u = 0; u < units; ++u) {
        float expected = 0.5f;  // whole numbers are exact
        for (int64_t k = 0; k < features; ++k) {
          expected += x[static_cast<size_t>(k)] * w[static_cast<size_t>(k * units + u)];
        }
        EXPECT_EQ(y[static_cast<size_t>(u)], expected) << features << " x " << units;
      }
    }
  }
}

TEST(DenseRowTest, MayHaveNoBias) {
  const std::vector<float> x{2}, w{3, 4};
  std::vector<float> y{9, 9};
  dense_row({1, 2, x.data(), w.data(), nullptr, y.data()}, 0, 2);
  EXPECT_EQ(y, (std::vector<float>{6, 8}));
}

}  // namespace
}  // namespace sluice::backend::cpu
