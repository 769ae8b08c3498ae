#include "backend/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice::backend {
namespace {

using Counts = std::span<const double>;
using Kind = Counting::Kind;
using Result = Metric::Result;

constexpr double kEpsilon = 1e-7;  // Keras' own

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

// Elements by what they are and what they are taken for.
struct Outcomes {
  double tp, fp, tn, fn;

  double precision() const { return ratio(tp, tp + fp); }
  double recall() const { return ratio(tp, tp + fn); }
  double specificity() const { return ratio(tn, tn + fp); }
};
Outcomes outcomes_of(Counts counts) { return {counts[0], counts[1], counts[2], counts[3]}; }

// At each threshold, from how many elements exceed so many thresholds. Where the first threshold is
// just below 0, even 0 exceeds it.
enum class First { kZero, kBelowZero };
std::vector<Outcomes> at_thresholds(Counts counts, First first) {
  const size_t size = counts.size() / 2;
  const Counts zeros = counts.first(size), ones = counts.subspan(size);
  const double all_zeros = std::accumulate(zeros.begin(), zeros.end(), 0.0);
  const double all_ones = std::accumulate(ones.begin(), ones.end(), 0.0);
  std::vector<Outcomes> outcomes(size);
  double fp = 0, tp = 0;
  for (size_t i = size; i-- > 0;) {
    if (i + 1 < size) {
      fp += zeros[i + 1];
      tp += ones[i + 1];
    }
    if (i == 0 && first == First::kBelowZero) {
      fp = all_zeros;
      tp = all_ones;
    }
    outcomes[i] = {tp, fp, all_zeros - fp, all_ones - tp};
  }
  return outcomes;
}

// By the trapezoidal rule.
double area_under_roc(const std::vector<Outcomes>& at) {
  double area = 0;
  for (size_t i = 0; i + 1 < at.size(); ++i) {
    const double width = ratio(at[i].fp, at[0].fp) - ratio(at[i + 1].fp, at[0].fp);
    area += width * (ratio(at[i].tp, at[0].tp) + ratio(at[i + 1].tp, at[0].tp)) / 2;
  }
  return area;
}

// True positives interpolated between two thresholds, and not precision, which is no straight line
// there (Davis & Goadrich, 2006).
double area_under_precision_and_recall(const std::vector<Outcomes>& at) {
  double area = 0;
  for (size_t i = 0; i + 1 < at.size(); ++i) {
    const double p = at[i].tp + at[i].fp, next_p = at[i + 1].tp + at[i + 1].fp;
    const double dtp = at[i].tp - at[i + 1].tp;
    const double slope = ratio(dtp, p - next_p);
    const double intercept = at[i + 1].tp - slope * next_p;
    const double log_ratio = p > 0 && next_p > 0 ? std::log(p / next_p) : 0;
    area += ratio(slope * (dtp + intercept * log_ratio), at[0].tp);
  }
  return area;
}

// The largest `wanted` at a threshold where `given` is at least `bound`.
using Share = double (Outcomes::*)() const;
double best_of(Counts counts, float bound, Share given, Share wanted) {
  double best = 0;
  for (const Outcomes& at : at_thresholds(counts, First::kZero)) {
    if (static_cast<float>((at.*given)()) >= bound) best = std::max(best, (at.*wanted)());
  }
  return best;
}

// Counters [3, classes].
struct ByClass {
  Counts tp, fp, fn;
};
ByClass by_class(Counts counts) {
  const size_t classes = counts.size() / 3;
  return {counts.first(classes), counts.subspan(classes, classes), counts.last(classes)};
}

double f_score(double beta, double tp, double fp, double fn) {
  const double precision = tp / (tp + fp + kEpsilon), recall = tp / (tp + fn + kEpsilon);
  const double square = beta * beta;
  return (1 + square) * precision * recall / (square * precision + recall + kEpsilon);
}

std::vector<double> f_scores(const Metric& metric, Counts counts) {
  const auto [tp, fp, fn] = by_class(counts);
  const auto sum = [](Counts numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0);
  };
  const auto beta = static_cast<double>(metric.beta);
  if (metric.average == Metric::Average::kMicro) {
    return {f_score(beta, sum(tp), sum(fp), sum(fn))};
  }
  const double all = sum(tp) + sum(fn);
  std::vector<double> scores;
  double mean = 0, weighted = 0;
  for (size_t c = 0; c < tp.size(); ++c) {
    const double score = scores.emplace_back(f_score(beta, tp[c], fp[c], fn[c]));
    mean += score / static_cast<double>(tp.size());
    weighted += score * (tp[c] + fn[c]) / (all + kEpsilon);
  }
  if (metric.average == Metric::Average::kNone) return scores;
  return {metric.average == Metric::Average::kMacro ? mean : weighted};
}

// The mean over the classes that are asked for, of those that there are.
double intersection_over_union(const Metric& metric, Counts counts) {
  const double two_classes[] = {counts[2], counts[0], counts[3], counts[1], counts[1], counts[3]};
  const bool is_of_two = metric.counting.kind == Kind::kOutcomes;
  const auto [tp, fp, fn] = by_class(is_of_two ? Counts(two_classes) : counts);
  std::vector<int64_t> ids = metric.class_ids;
  if (ids.empty()) {
    ids.resize(tp.size());
    std::iota(ids.begin(), ids.end(), 0);
  }
  double sum = 0, classes = 0;
  for (const int64_t id : ids) {
    const auto c = static_cast<size_t>(id);
    const double together = tp[c] + fp[c] + fn[c];
    sum += tp[c] / (together + kEpsilon);
    classes += together > 0 ? 1 : 0;
  }
  return sum / (classes + kEpsilon);
}

// 1 - (squared error) / (variance), of each output.
std::vector<double> r2_scores(const Metric& metric, Counts counts, double rows) {
  const size_t outputs = counts.size() / 3;
  const Counts sums = counts.first(outputs), squares = counts.subspan(outputs, outputs);
  const Counts errors = counts.last(outputs);
  std::vector<double> scores;
  double mean = 0, weighted = 0, weights = 0;
  for (size_t j = 0; j < outputs; ++j) {
    const double variance = squares[j] - sums[j] * (sums[j] / rows);
    double score = 1 - errors[j] / variance;
    if (std::isinf(score)) score = 0;
    scores.push_back(score);
    mean += score / static_cast<double>(outputs);
    weighted += score * variance;
    weights += variance;
  }
  if (metric.average == Metric::Average::kMacro) scores = {mean};
  if (metric.average == Metric::Average::kWeighted) scores = {weighted / weights};
  const auto regressors = static_cast<double>(metric.regressors);
  // Keras counts a row once for each output here, and adjusts nothing where there are too few.
  const double samples = rows * static_cast<double>(outputs);
  if (regressors > 0 && regressors < samples - 1) {
    const double factor = (samples - 1) / (samples - regressors - 1);
    for (double& score : scores) score = 1 - (1 - score) * factor;
  }
  return scores;
}

}  // namespace

bool is_of_classes(const Metric& metric) {
  return metric.counting.kind != Kind::kLosses && metric.counting.kind != Kind::kMoments;
}

bool needs_probabilities(const Metric& metric) {
  return metric.counting.kind != Kind::kAccuracy && metric.counting.kind != Kind::kFirstLargest;
}

size_t counters_of(const Metric& metric, int64_t outputs) {
  const auto one = static_cast<size_t>(outputs);
  const size_t classes = std::max<size_t>(one, 2);
  switch (metric.counting.kind) {
    case Kind::kOutcomes:
      return 4;
    case Kind::kByThreshold:
      return 2 * static_cast<size_t>(metric.counting.thresholds);
    case Kind::kByClass:
      return 3 * one;
    case Kind::kPairs:
      return classes * classes;
    case Kind::kMoments:
      return 3 * one;
    default:
      return 1;
  }
}

std::vector<double> results_of(const Metric& metric, int64_t outputs, Counts counters,
                               double rows) {
  switch (metric.result) {
    case Result::kShare:
    case Result::kMean:
      return {ratio(counters[0], rows)};
    case Result::kRootOfMean:
      return {std::sqrt(ratio(counters[0], rows))};
    case Result::kMinusMean:
      return {-ratio(counters[0], rows)};
    case Result::kShareOfElements:
      return {ratio(counters[0], rows * static_cast<double>(outputs))};
    case Result::kPrecision:
      return {outcomes_of(counters).precision()};
    case Result::kRecall:
      return {outcomes_of(counters).recall()};
    case Result::kTruePositives:
      return {outcomes_of(counters).tp};
    case Result::kFalsePositives:
      return {outcomes_of(counters).fp};
    case Result::kTrueNegatives:
      return {outcomes_of(counters).tn};
    case Result::kFalseNegatives:
      return {outcomes_of(counters).fn};
    case Result::kAreaUnderRoc:
      return {area_under_roc(at_thresholds(counters, First::kBelowZero))};
    case Result::kAreaUnderPrecisionAndRecall:
      return {area_under_precision_and_recall(at_thresholds(counters, First::kBelowZero))};
    case Result::kSensitivityAtSpecificity:
      return {best_of(counters, metric.bound, &Outcomes::specificity, &Outcomes::recall)};
    case Result::kSpecificityAtSensitivity:
      return {best_of(counters, metric.bound, &Outcomes::recall, &Outcomes::specificity)};
    case Result::kPrecisionAtRecall:
      return {best_of(counters, metric.bound, &Outcomes::recall, &Outcomes::precision)};
    case Result::kRecallAtPrecision:
      return {best_of(counters, metric.bound, &Outcomes::precision, &Outcomes::recall)};
    case Result::kFScore:
      return f_scores(metric, counters);
    case Result::kIntersectionOverUnion:
      return {intersection_over_union(metric, counters)};
    case Result::kMatrix:
      return {};
    case Result::kR2:
      return r2_scores(metric, counters, rows);
  }
  return {};
}

}  // namespace sluice::backend
