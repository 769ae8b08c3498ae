// What is measured of an output besides its loss. A metric is computed from counters: sums over the
// rows of the output, one row for each position of each sample, which add up over batches, epochs,
// workers and partitions, so that a metric of many parts is that of the whole.
//
// Devices know what is counted (Counting), written once for all of them in metric_rows.h; what
// counters come to (Result) only the host. Names and options: nn/metrics.cc.
//
// With p [K] a row of outputs (probabilities, where the loss takes a softmax's inputs) and y [K]
// its target, class c being y_c = 1 and all else 0, but for K = 1 the number itself:
//
// clang-format off
//   what is counted      counters
//   accuracy             rows that are right (K = 1: (p > 0.5) = y, else as the first largest)
//   elements             elements with (p > threshold) = y
//   first largest        rows whose first largest p is at c
//   in top k             rows with fewer than k of p above p_c, all of them finite
//   outcomes             elements, of all classes or class_id, that are true and false positives,
//                        true and false negatives
//   by threshold         elements, likewise, with y = 0, then those with y = 1, each by how many of
//                        the thresholds i / (thresholds - 1), i >= 0, p exceeds
//   by class             [3, K]: true positives, false positives, false negatives
//   pairs                [max(K, 2), max(K, 2)]: rows by c and by the first largest p
//   losses               the sum of a loss of the rows
//   moments              [3, K]: the sums of y, y^2 and (y - p)^2
// clang-format on
//
// Of a single output pairs are of two classes, p > threshold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sluice/losses.h"

namespace sluice::backend {

// What is counted: a plain value, which kernels are given as it is.
struct Counting {
  enum class Kind {
    kAccuracy,
    kElements,
    kFirstLargest,
    kInTopK,
    kOutcomes,
    kByThreshold,
    kByClass,
    kPairs,
    kLosses,
    kMoments,
  } kind = Kind::kAccuracy;
  // Which classes a row is predicted to be of.
  enum class Positive {
    kAbove,         // those with p > threshold
    kAtLeast,       // p >= threshold
    kLargest,       // all that are the largest together, and not 0
    kFirstLargest,  // one
  } positive = Positive::kAbove;
  float threshold = 0.5f;
  int64_t k = 5;
  int64_t top_k = 0;      // only the first k largest of a row can be positive; 0: all
  int64_t class_id = -1;  // -1: all
  int64_t thresholds = 200;
  int64_t ignored_class = kNone;  // whose rows do not count

  static constexpr int64_t kNone = INT64_MIN;
  bool operator==(const Counting&) const = default;
};

struct Metric {
  enum class Result {
    kShare,  // of the rows
    kShareOfElements,
    kPrecision,
    kRecall,
    kTruePositives,
    kFalsePositives,
    kTrueNegatives,
    kFalseNegatives,
    kAreaUnderRoc,
    kAreaUnderPrecisionAndRecall,
    kSensitivityAtSpecificity,
    kSpecificityAtSensitivity,
    kPrecisionAtRecall,
    kRecallAtPrecision,
    kFScore,
    kIntersectionOverUnion,
    kMatrix,
    kMean,  // over the rows
    kRootOfMean,
    kMinusMean,
    kR2,
  };
  enum class Average { kNone, kMicro, kMacro, kWeighted };  // over classes

  std::string name = "accuracy";  // that it is shown under
  Counting counting{};
  Result result = Result::kShare;
  LossSpec loss{};  // whose values are added up
  float bound = 0;  // what is given of the two in kSensitivityAtSpecificity, ...
  float beta = 1;   // of the F-score
  Average average = Average::kNone;
  std::vector<int64_t> class_ids{};  // over which there is a mean; none: all
  int64_t classes = 0;               // that there must be, K; 0: any
  int64_t regressors = 0;            // which R2 is adjusted for

  bool operator==(const Metric&) const = default;
};

// Whether it comes with the loss.
inline bool is_accuracy(const Metric& metric) {
  return metric.counting.kind == Counting::Kind::kAccuracy;
}
// Whether it needs y to be a class or classes: 0 and 1.
bool is_of_classes(const Metric& metric);
// Whether it reads probabilities, and not only which is the largest.
bool needs_probabilities(const Metric& metric);

// How many counters there are, K outputs to a row.
size_t counters_of(const Metric& metric, int64_t outputs);

// What counters over so many rows come to: one number, or one of each class. None of a matrix,
// which is its counters. 0 / 0 is 0, as in Keras, but for R2, where it is NaN, as in Keras.
std::vector<double> results_of(const Metric& metric, int64_t outputs,
                               std::span<const double> counters, double rows);

// The rows of an output with their targets, where the device has them.
struct MeasuredRows {
  int64_t rows, outputs;  // K to a row
  int64_t positions;      // rows to a sample
  const float* p;         // [rows, K]
  const float* y;         // of each sample its rows' targets: K numbers, or a class number
  bool has_class_numbers;
  bool weighted;  // the targets of each sample end in its weight, which does not count
};

}  // namespace sluice::backend
