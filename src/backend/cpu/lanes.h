// How one thread goes over a row, for backend/loss_rows.h and backend/metric_rows.h.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sluice::backend::cpu {

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

// One thread has all of a row, and adds up in double; exponentials, which cost most, are Eigen's.
struct Lanes {
  template <typename Number>
  double sum(int64_t size, const Number& number) const {
    double sum = 0;
    for (int64_t j = 0; j < size; ++j) sum += number(j);
    return sum;
  }
  template <typename Number>
  float max(int64_t size, const Number& number) const {
    float most = -std::numeric_limits<float>::infinity();
    for (int64_t j = 0; j < size; ++j) most = std::fmax(most, number(j));
    return most;
  }
  template <typename Use>
  void each(int64_t size, const Use& use) const {
    for (int64_t j = 0; j < size; ++j) use(j);
  }
  float sum_exp(int64_t size, const float* z, float most) const {
    return (ConstRow(z, size) - most).exp().sum();
  }
  void put_exp(int64_t size, float factor, const float* z, float most, float* to) const {
    Row(to, size) = factor * (ConstRow(z, size) - most).exp();
  }

  template <typename Number>
  int64_t first_largest(int64_t size, const Number& number) const {
    int64_t best = 0;
    float most = -std::numeric_limits<float>::infinity();
    for (int64_t j = 0; j < size; ++j) {
      const float here = number(j);
      if (!(here > most)) continue;
      most = here;
      best = j;
    }
    return best;
  }
  template <typename Is>
  void count(int64_t size, double* counter, const Is& is) const {
    for (int64_t j = 0; j < size; ++j) *counter += is(j) ? 1 : 0;
  }
  template <typename Counter>
  void count_each(int64_t size, const Counter& counter) const {
    for (int64_t j = 0; j < size; ++j) {
      if (double* const one = counter(j); one != nullptr) *one += 1;
    }
  }
  void count(double* counter) const { *counter += 1; }
};

}  // namespace sluice::backend::cpu
