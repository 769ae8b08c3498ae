// How a row of an output adds to the counters of a metric (backend/metrics.h), written once for
// every device.
//
// `Lanes` is how a device goes over a row, as for loss_rows.h, and has besides
//
//   first_largest(K, f)      the place of the first largest of f(0), ..., f(K - 1); NaN is passed
//                            over, and a row of nothing else is class 0
//   count(K, counter, f)     adds the number of j with f(j)
//   count_each(K, f)         adds 1 to the counter f(j) of each j; nullptr: to none
//   count(counter)           adds 1 for the row
#pragma once

#include <math.h>

#include <cstdint>

#include "backend/loss_rows.h"
#include "backend/metrics.h"

namespace sluice::backend::metric_rows {

// One row and its target.
template <typename Lanes>
class Row {
 public:
  SLUICE_ON_DEVICE Row(const MeasuredRows& all, int64_t n, const Lanes& lanes)
      : lanes_(lanes), size_(all.outputs), p_(all.p + n * all.outputs) {
    const int64_t width = all.has_class_numbers ? 1 : all.outputs;
    const float* y = all.y + loss_rows::TargetLayout(all.positions, width, all.weighted).target(n);
    const bool is_number = all.has_class_numbers && all.outputs > 1;
    target_.values = is_number ? nullptr : y;
    target_.number = is_number ? static_cast<int64_t>(*y) : -1;
    number_ = all.has_class_numbers ? static_cast<int64_t>(*y) : -1;
    has_number_ = all.has_class_numbers;
  }

  SLUICE_ON_DEVICE int64_t size() const { return size_; }
  SLUICE_ON_DEVICE const Lanes& lanes() const { return lanes_; }
  SLUICE_ON_DEVICE const float* outputs() const { return p_; }
  SLUICE_ON_DEVICE const loss_rows::Target& target() const { return target_; }
  SLUICE_ON_DEVICE float p(int64_t j) const { return p_[j]; }
  SLUICE_ON_DEVICE float y(int64_t j) const { return target_.at(j); }
  // Of a single output class 0 or 1.
  SLUICE_ON_DEVICE int64_t wanted() const {
    if (has_number_) return number_;
    if (size_ == 1) return y(0) != 0 ? 1 : 0;
    return lanes_.first_largest(size_, [this](int64_t j) { return y(j); });
  }
  SLUICE_ON_DEVICE int64_t predicted(float threshold) const {
    if (size_ == 1) return p(0) > threshold ? 1 : 0;
    return lanes_.first_largest(size_, [this](int64_t j) { return p(j); });
  }

 private:
  const Lanes& lanes_;
  const int64_t size_;
  const float* const p_;
  loss_rows::Target target_{};
  int64_t number_;
  bool has_number_;
};

template <typename Lanes>
SLUICE_ON_DEVICE bool is_in_top(const Row<Lanes>& row, int64_t k) {
  int64_t wanted = row.size() == 1 ? 0 : row.wanted();
  if (wanted < 0) return false;  // a class that the loss ignores
  if (wanted >= row.size()) wanted = row.size() - 1;
  const auto strange = static_cast<int64_t>(
      row.lanes().sum(row.size(), [&](int64_t j) { return isfinite(row.p(j)) ? 0.0f : 1.0f; }));
  const auto above = static_cast<int64_t>(row.lanes().sum(
      row.size(), [&](int64_t j) { return row.p(j) > row.p(wanted) ? 1.0f : 0.0f; }));
  return strange == 0 && above < k;
}

// The smallest of the k largest outputs; of equal ones the first are the larger.
struct LastOfTop {
  float p = -INFINITY;
  int64_t place = INT64_MAX;

  SLUICE_ON_DEVICE bool has(float other, int64_t j) const {
    return other > p || (other == p && j <= place);
  }
};
template <typename Lanes>
SLUICE_ON_DEVICE LastOfTop last_of_top(const Row<Lanes>& row, int64_t k) {
  if (k <= 0 || k >= row.size()) return {};
  LastOfTop last{INFINITY, -1};
  for (; k > 0; --k) {
    const int64_t next = row.lanes().first_largest(
        row.size(), [&](int64_t j) { return last.has(row.p(j), j) ? -INFINITY : row.p(j); });
    if (last.has(row.p(next), next) || !(row.p(next) > -INFINITY)) return {};  // there are no more
    last = {row.p(next), next};
  }
  return last;
}

// Of how many thresholds i / (thresholds - 1), from 0 to 1, p exceeds; NaN exceeds none.
SLUICE_ON_DEVICE int64_t exceeded(float p, int64_t thresholds) {
  const float share = p > 0 ? (p < 1 ? p : 1.0f) : 0.0f;
  return static_cast<int64_t>(ceilf(share * static_cast<float>(thresholds - 1)));
}

template <typename Lanes>
SLUICE_ON_DEVICE void count_outcomes(const Counting& counting, const Row<Lanes>& row,
                                     double* counters) {
  const LastOfTop last = last_of_top(row, counting.top_k);
  const bool at_least = counting.positive == Counting::Positive::kAtLeast;
  row.lanes().count_each(row.size(), [&](int64_t j) -> double* {
    if (counting.class_id >= 0 && j != counting.class_id) return nullptr;
    const float p = row.p(j);
    const bool above = at_least ? p >= counting.threshold : p > counting.threshold;
    const bool is = row.y(j) != 0, predicted = above && last.has(p, j);
    return counters + (predicted ? (is ? 0 : 1) : (is ? 3 : 2));
  });
}

template <typename Lanes>
SLUICE_ON_DEVICE void count_by_class(const Counting& counting, const Row<Lanes>& row,
                                     double* counters) {
  using Positive = Counting::Positive;
  const int64_t size = row.size();
  const auto is_positive = [&](const auto& is) {
    row.lanes().count_each(size, [&](int64_t j) -> double* {
      const bool predicted = is(j), truly = row.y(j) != 0;
      if (!predicted && !truly) return nullptr;
      return counters + (predicted ? (truly ? 0 : size) : 2 * size) + j;
    });
  };
  if (counting.positive == Positive::kLargest) {
    const float most = row.lanes().max(size, [&](int64_t j) { return row.p(j); });
    constexpr float kZero = 1e-9f;  // Keras'
    return is_positive([&](int64_t j) { return row.p(j) >= most && fabsf(row.p(j)) > kZero; });
  }
  if (counting.positive == Positive::kAbove) {
    return is_positive([&](int64_t j) { return row.p(j) > counting.threshold; });
  }
  const int64_t wanted = row.wanted(), predicted = row.predicted(counting.threshold);
  if (wanted < 0 || wanted >= size || wanted == counting.ignored_class) return;
  row.lanes().count_each(size, [&](int64_t j) -> double* {
    if (j != wanted && j != predicted) return nullptr;
    return counters + (wanted == predicted ? 0 : (j == predicted ? size : 2 * size)) + j;
  });
}

// Neither for kAccuracy, which comes with the loss, nor for what is added up of numbers: kLosses
// and kMoments.
template <typename Lanes>
SLUICE_ON_DEVICE void count_row(const Counting& counting, const Row<Lanes>& row, double* counters) {
  using Kind = Counting::Kind;
  const int64_t size = row.size();
  switch (counting.kind) {
    case Kind::kElements:
      return row.lanes().count(size, counters, [&](int64_t j) {
        return row.y(j) == (row.p(j) > counting.threshold ? 1.0f : 0.0f);
      });
    case Kind::kFirstLargest:
      // Of one output the largest is always the first.
      if (size == 1 || row.predicted(counting.threshold) == row.wanted()) {
        row.lanes().count(counters);
      }
      return;
    case Kind::kInTopK:
      if (is_in_top(row, counting.k)) row.lanes().count(counters);
      return;
    case Kind::kOutcomes:
      return count_outcomes(counting, row, counters);
    case Kind::kByThreshold:
      return row.lanes().count_each(size, [&](int64_t j) -> double* {
        if (counting.class_id >= 0 && j != counting.class_id) return nullptr;
        double* const of_target = counters + (row.y(j) != 0 ? counting.thresholds : 0);
        return of_target + exceeded(row.p(j), counting.thresholds);
      });
    case Kind::kByClass:
      return count_by_class(counting, row, counters);
    case Kind::kPairs: {
      const int64_t classes = size > 2 ? size : 2;
      const int64_t wanted = row.wanted();
      if (wanted < 0 || wanted >= classes) return;  // a class that the loss ignores
      return row.lanes().count(counters + wanted * classes + row.predicted(counting.threshold));
    }
    case Kind::kAccuracy:
    case Kind::kLosses:
    case Kind::kMoments:
      return;
  }
}

}  // namespace sluice::backend::metric_rows
