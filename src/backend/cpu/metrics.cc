#include "backend/cpu/metrics.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/first_largest.h"
#include "backend/loss_rows.h"

namespace sluice::backend::cpu {
namespace {

const float* target_of(const MeasuredRows& all, int64_t n) {
  const int64_t width = all.has_class_numbers ? 1 : all.outputs;
  return all.y + loss_rows::TargetLayout(all.positions, width, all.weighted).target(n);
}

// One row and its target.
class Row {
 public:
  Row(const MeasuredRows& all, int64_t n)
      : size_(all.outputs),
        p_(all.p + n * size_),
        y_(all.has_class_numbers ? nullptr : target_of(all, n)),
        number_(all.has_class_numbers ? *target_of(all, n) : 0) {}

  int64_t size() const { return size_; }
  float p(int64_t k) const { return p_[k]; }
  float y(int64_t k) const {
    if (y_ != nullptr) return y_[k];
    return size_ == 1 ? number_ : (number_ == static_cast<float>(k) ? 1.0f : 0.0f);
  }
  // Of a single output class 0 or 1.
  int64_t wanted() const {
    if (y_ == nullptr) return static_cast<int64_t>(number_);
    return size_ == 1 ? (y_[0] != 0 ? 1 : 0)
                      : first_largest(size_, [this](int64_t k) { return y_[k]; });
  }
  int64_t predicted(float threshold) const {
    return size_ == 1 ? (p_[0] > threshold ? 1 : 0)
                      : first_largest(size_, [this](int64_t k) { return p_[k]; });
  }

 private:
  const int64_t size_;
  const float* const p_;
  const float* const y_;
  const float number_;
};

bool is_in_top(const Row& row, int64_t k) {
  const int64_t wanted = row.size() == 1 ? 0 : std::min(row.wanted(), row.size() - 1);
  if (wanted < 0) return false;  // a class that the loss ignores
  int64_t above = 0;
  for (int64_t j = 0; j < row.size(); ++j) {
    if (!std::isfinite(row.p(j))) return false;
    above += row.p(j) > row.p(wanted) ? 1 : 0;
  }
  return above < k;
}

// The number of the last threshold that p exceeds, all lying evenly from just below 0 to just above
// 1.
size_t bucket_of(float p, int64_t thresholds) {
  const float last = static_cast<float>(thresholds - 1);
  const float bucket = std::ceil(std::clamp(p, 0.0f, 1.0f) * last) - 1;
  return bucket > 0 ? static_cast<size_t>(bucket) : 0;  // also of NaN
}

void measure(const Metric& metric, const Row& row, std::span<double> counters) {
  const int64_t size = row.size();
  switch (metric.kind) {
    case Metric::Kind::kAccuracy:
      return;  // comes with the loss
    case Metric::Kind::kBinaryAccuracy:
      for (int64_t k = 0; k < size; ++k) {
        counters[0] += row.y(k) == (row.p(k) > metric.threshold ? 1.0f : 0.0f) ? 1 : 0;
      }
      return;
    case Metric::Kind::kCategoricalAccuracy: {
      // Of one output the largest is always the first.
      const int64_t predicted = size == 1 ? 0 : row.predicted(metric.threshold);
      counters[0] += predicted == (size == 1 ? 0 : row.wanted()) ? 1 : 0;
      return;
    }
    case Metric::Kind::kTopK:
      counters[0] += is_in_top(row, metric.k) ? 1 : 0;
      return;
    case Metric::Kind::kPrecision:
    case Metric::Kind::kRecall:
      for (int64_t k = 0; k < size; ++k) {
        if (metric.class_id >= 0 && k != metric.class_id) continue;
        const bool is = row.y(k) != 0, predicted = row.p(k) > metric.threshold;
        counters[0] += is && predicted ? 1 : 0;
        counters[1] += !is && predicted ? 1 : 0;
        counters[2] += is && !predicted ? 1 : 0;
      }
      return;
    case Metric::Kind::kAuc:
      for (int64_t k = 0; k < size; ++k) {
        const size_t half = counters.size() / 2;
        counters[(row.y(k) != 0 ? half : 0) + bucket_of(row.p(k), metric.thresholds)] += 1;
      }
      return;
    case Metric::Kind::kConfusionMatrix: {
      const int64_t classes = std::max<int64_t>(size, 2);
      const int64_t wanted = row.wanted();
      if (wanted < 0 || wanted >= classes) return;  // a class that the loss ignores
      counters[static_cast<size_t>(wanted * classes + row.predicted(metric.threshold))] += 1;
      return;
    }
    case Metric::Kind::kMeanSquaredError:
    case Metric::Kind::kRootMeanSquaredError:
    case Metric::Kind::kMeanAbsoluteError: {
      double sum = 0;
      for (int64_t k = 0; k < size; ++k) {
        const double error = static_cast<double>(row.y(k)) - static_cast<double>(row.p(k));
        sum += metric.kind == Metric::Kind::kMeanAbsoluteError ? std::abs(error) : error * error;
      }
      counters[0] += sum / static_cast<double>(size);
      return;
    }
  }
}

}  // namespace

void measure(const Metric& metric, const MeasuredRows& rows, std::span<double> counters) {
  for (int64_t n = 0; n < rows.rows; ++n) measure(metric, Row(rows, n), counters);
}

}  // namespace sluice::backend::cpu
