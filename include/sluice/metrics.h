// What is measured of a model besides its loss, by Keras' names.
//
//   .metrics = {"accuracy", "auc(curve=PR)", "precision(class_id=1, name=cats)"}
//
// Each is computed from sums over samples and their positions, which add up over batches, workers
// and partitions: a metric of an epoch is that of all its samples, each counted once. Those of
// training are of the model as it was before each step. Sample and class weights do not count.
//
// clang-format off
//
// Notation: p [K] a model's outputs, y [K] their target: 1 at a record's class and 0 elsewhere, or
// its numbers; of a single output the class itself, 0 or 1. Where outputs have more axes,
// [T..., K], each position is a row like any other.
//
//   accuracy, acc                    of one output binary_accuracy, else categorical_accuracy
//   binary_accuracy                  share of outputs with (p > threshold) = y  threshold=0.5
//   categorical_accuracy,            share of rows whose first largest output is
//   sparse_categorical_accuracy      at the class
//   top_k_categorical_accuracy,      share of rows with fewer than k outputs
//   sparse_top_k_categorical_accuracy   above that of the class                 k=5
//   precision                        tp / (tp + fp), p > threshold, of all      threshold=0.5
//                                    classes or one                             class_id
//   recall                           tp / (tp + fn)                             likewise
//   auc                              area under the curve of recall over the    num_thresholds=200
//                                    false positives' rate, or of precision     curve=ROC or PR
//                                    over recall, interpolated
//   confusion_matrix                 rows by their class and by the predicted   threshold=0.5
//                                    one; of at most 256 classes                of one output
//   mean_squared_error, mse          mean_k (y_k - p_k)^2
//   root_mean_squared_error          its square root
//   mean_absolute_error, mae         mean_k |y_k - p_k|
//
// clang-format on
//
// Keras' classes are names as well: "AUC". Options stand in brackets; `name` is another name to
// show it under. A metric is of every output; "classes:auc" is only of the output "classes". Keras:
// keras.metrics, with its defaults.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sluice/cplusplus.h"

namespace sluice {

// How many rows of each class were taken for which.
struct ConfusionMatrix {
  std::string name;     // that of the metric; of several outputs "OUTPUT_NAME"
  int64_t classes = 0;  // K
  // [K, K]: row c has the samples of class c, by the class that was predicted.
  std::vector<int64_t> counts;
};

// What fit() and evaluate() return, as Keras' History and return_dict.
struct Metrics {
  // Mean over the samples; of several outputs the weighted sum of theirs. NaN or infinite when
  // training has diverged.
  double loss = 0;
  // The metric "accuracy", NaN being passed over among a row's outputs; outputs of nothing but NaN
  // count as class 0. NaN where it is not measured: of several outputs, which have one each among
  // `values`; where mse compares numbers that are no classes; and where it was not asked for.
  double accuracy = 0;
  // All others in their order. Of a model with several outputs the names begin with the output's,
  // as in Keras, and each output's own loss is there as well: "box_loss", "classes_accuracy".
  std::vector<std::pair<std::string, double>> values{};
  std::vector<ConfusionMatrix> matrices{};

  // One of `values`, or NaN where there is none of that name.
  double value(const std::string& name) const;
};

}  // namespace sluice
