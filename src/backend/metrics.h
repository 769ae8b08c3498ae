// What is measured of an output besides its loss. A metric is computed from counters: sums over the
// rows of the output, one row for each position of each sample, which add up over batches, epochs,
// workers and partitions, so that a metric of many parts is that of the whole.
//
// With p [K] a row of outputs (probabilities, where the loss takes a softmax's inputs) and y [K]
// its target, class c being y_c = 1 and all else 0, but for K = 1 the number itself:
//
// clang-format off
//   kind            counters                                   result
//   accuracy        rows that are right                        / rows
//                   (K = 1: (p > 0.5) = y, else as categorical, as Keras resolves it)
//   binary          elements with (p > threshold) = y          / elements
//   categorical     rows whose first largest p is at c         / rows
//   top k           rows with fewer than k of p above p_c,     / rows
//                   all of them finite
//   precision       true and false positives, false negatives  tp / (tp + fp)
//                   (p > threshold; of all classes or class_id)
//   recall          the same                                   tp / (tp + fn)
//   AUC             elements with y = 1, and with y = 0, by    area under the curve of recall over
//                   the last of `thresholds` that p exceeds    the false positives' rate, or PR
//   confusion       rows by c and by the first largest p       the matrix
//   squared error   sum of mean_k (y_k - p_k)^2                / rows; root: its square root
//   absolute error  sum of mean_k |y_k - p_k|                  / rows
// clang-format on
//
// 0 / 0 is 0, as in Keras. Of a single output the confusion matrix is of two classes, p >
// threshold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sluice::backend {

struct Metric {
  enum class Kind {
    kAccuracy,
    kBinaryAccuracy,
    kCategoricalAccuracy,
    kTopK,
    kPrecision,
    kRecall,
    kAuc,
    kConfusionMatrix,
    kMeanSquaredError,
    kRootMeanSquaredError,
    kMeanAbsoluteError,
  } kind = Kind::kAccuracy;
  std::string name = "accuracy";  // that it is shown under
  float threshold = 0.5f;
  int64_t k = 5;
  int64_t class_id = -1;  // -1: all
  int64_t thresholds = 200;
  bool of_precision_and_recall = false;  // the curve of AUC

  bool operator==(const Metric&) const = default;
};

// Whether it needs y to be a class or classes: 0 and 1.
bool is_of_classes(const Metric& metric);
// Whether it reads probabilities, and not only which is the largest.
bool needs_probabilities(const Metric& metric);
// Whether its counters are sums of errors, and not whole numbers.
bool is_sum(const Metric& metric);

// How many counters it has, K outputs to a row.
size_t counters_of(const Metric& metric, int64_t classes);

// What counters over so many rows come to. NaN: a matrix, which is its counters.
double result_of(const Metric& metric, int64_t classes, std::span<const double> counters,
                 double rows);

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
