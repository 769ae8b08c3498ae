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
//                                    classes or one, of all outputs or the      class_id, top_k
//                                    top_k of a row; with top_k and without
//                                    threshold all of these are positive
//   recall                           tp / (tp + fn)                             likewise
//   true_positives, false_positives, how many outputs                           threshold=0.5
//   true_negatives, false_negatives
//   f1_score, fbeta_score            (1 + beta^2) P R / (beta^2 P + R) with     average=None,
//                                    P precision and R recall of each class;    micro, macro or
//                                    positive is the largest output, or p >     weighted;
//                                    threshold                                  threshold, beta=1
//   auc                              area under the curve of recall over the    num_thresholds=200
//                                    false positives' rate, or of precision     curve=ROC or PR
//                                    over recall, interpolated
//   sensitivity_at_specificity,      the largest, of all thresholds at which    specificity,
//   specificity_at_sensitivity,      the other is at least what is given; of    sensitivity,
//   precision_at_recall,             all classes or one; sensitivity is         recall, precision,
//   recall_at_precision              recall, specificity tn / (tn + fp)         num_thresholds=200,
//                                                                               class_id
//   iou, one_hot_iou                 mean over classes that there are of        target_class_ids,
//                                    tp / (tp + fp + fn), a row's first         ignore_class,
//                                    largest output being its class             num_classes
//   mean_iou, one_hot_mean_iou       likewise, over all classes                 ignore_class,
//                                                                               num_classes
//   binary_iou                       likewise, of outputs that are one class    threshold=0.5,
//                                    or the other, p >= threshold               target_class_ids
//   confusion_matrix                 rows by their class and by the predicted   threshold=0.5
//                                    one; of at most 256 classes                of one output
//   mean_squared_error, mse          mean_k (y_k - p_k)^2
//   root_mean_squared_error          its square root
//   mean_absolute_error, mae         mean_k |y_k - p_k|
//   and all other losses but those   the mean of that loss (sluice/losses.h)    the loss' own, but
//   of whole batches: mape, msle,    over the rows                              ignore_class
//   logcosh, poisson, hinge, huber,
//   binary_crossentropy, bce, ...
//   cosine_similarity                mean of the cosine of the angle between
//                                    p and y, which is minus that loss
//   r2_score                         1 - sum (y - p)^2 / sum (y - mean y)^2,    class_aggregation=
//                                    sums over the rows, of each output; then   uniform_average,
//                                    their mean, or with their variances as     variance_weighted_
//                                    weights                                    average or None;
//                                                                               num_regressors=0
//
// With average=None, the default as in Keras, or class_aggregation=None there is a value of each
// class, of at most 256: "f1_score_0", "f1_score_1", ... What has no default may be left out, but
// for what is given of one at another and for target_class_ids of iou, which are a list:
// "iou(target_class_ids=[0,2])". num_classes is only compared with the outputs. In Keras IoU and
// MeanIoU are like that with sparse_y_pred=False.
//
// clang-format on
//
// Keras' classes are names as well, "AUC", and any letter case will do. A name alone is shown as it
// was typed, as in Keras, and a class with arguments by the name that is listed here. Arguments
// stand in brackets, as those of losses do (sluice/losses.h); `name` is another name to show it
// under, for threshold there is Keras' `thresholds` too, and top_k is at most K. A metric is of
// every output; "classes:auc" is only of the output "classes". Keras: keras.metrics, with its
// defaults.
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
  // `values`; where mse compares numbers that are no classes; of the embeddings that the loss
  // Circle compares with each other (Keras shows how often the largest number of one stands at the
  // place of its class, which says nothing); and where it was not asked for.
  double accuracy = 0;
  // All others in their order. Of a model with several outputs the names begin with the output's,
  // as in Keras, and each output's own loss is there as well: "box_loss", "classes_accuracy".
  std::vector<std::pair<std::string, double>> values{};
  std::vector<ConfusionMatrix> matrices{};

  // One of `values`, or NaN where there is none of that name.
  double value(const std::string& name) const;
};

}  // namespace sluice
