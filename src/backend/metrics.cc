#include "backend/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::backend {
namespace {

using enum Metric::Kind;

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

// Of elements whose p exceeds each threshold, from how many exceed it as the last.
std::vector<double> above_each(std::span<const double> buckets) {
  std::vector<double> above(buckets.begin(), buckets.end());
  for (size_t i = above.size() - 1; i-- > 0;) above[i] += above[i + 1];
  return above;
}

// By the trapezoidal rule.
double area_of_roc(const std::vector<double>& tp, const std::vector<double>& fp) {
  double area = 0;
  for (size_t i = 0; i + 1 < tp.size(); ++i) {
    const double width = ratio(fp[i], fp[0]) - ratio(fp[i + 1], fp[0]);
    area += width * (ratio(tp[i], tp[0]) + ratio(tp[i + 1], tp[0])) / 2;
  }
  return area;
}

// True positives interpolated between two thresholds, and not precision, which is no straight line
// there (Davis & Goadrich, 2006).
double area_of_precision_and_recall(const std::vector<double>& tp, const std::vector<double>& fp) {
  double area = 0;
  for (size_t i = 0; i + 1 < tp.size(); ++i) {
    const double p = tp[i] + fp[i], next_p = tp[i + 1] + fp[i + 1];
    const double dtp = tp[i] - tp[i + 1];
    const double slope = ratio(dtp, p - next_p);
    const double intercept = tp[i + 1] - slope * next_p;
    const double log_ratio = p > 0 && next_p > 0 ? std::log(p / next_p) : 0;
    area += ratio(slope * (dtp + intercept * log_ratio), tp[0]);
  }
  return area;
}

}  // namespace

bool is_of_classes(const Metric& metric) { return !is_sum(metric); }

bool needs_probabilities(const Metric& metric) {
  return metric.kind != kAccuracy && metric.kind != kCategoricalAccuracy;
}

bool is_sum(const Metric& metric) {
  return metric.kind == kMeanSquaredError || metric.kind == kRootMeanSquaredError ||
         metric.kind == kMeanAbsoluteError;
}

size_t counters_of(const Metric& metric, int64_t classes) {
  switch (metric.kind) {
    case kPrecision:
    case kRecall:
      return 3;
    case kAuc:
      return 2 * static_cast<size_t>(metric.thresholds);
    case kConfusionMatrix: {
      const auto k = static_cast<size_t>(std::max<int64_t>(classes, 2));
      return k * k;
    }
    default:
      return 1;
  }
}

double result_of(const Metric& metric, int64_t classes, std::span<const double> counters,
                 double rows) {
  switch (metric.kind) {
    case kBinaryAccuracy:
      return ratio(counters[0], rows * static_cast<double>(classes));
    case kPrecision:
      return ratio(counters[0], counters[0] + counters[1]);
    case kRecall:
      return ratio(counters[0], counters[0] + counters[2]);
    case kAuc: {
      const size_t half = counters.size() / 2;
      const auto fp = above_each(counters.first(half)), tp = above_each(counters.subspan(half));
      return metric.of_precision_and_recall ? area_of_precision_and_recall(tp, fp)
                                            : area_of_roc(tp, fp);
    }
    case kConfusionMatrix:
      return std::numeric_limits<double>::quiet_NaN();
    case kRootMeanSquaredError:
      return std::sqrt(ratio(counters[0], rows));
    default:
      return ratio(counters[0], rows);
  }
}

}  // namespace sluice::backend
