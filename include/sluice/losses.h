// What training makes small: Keras' losses, with its names, options, defaults and formulas.
//
//   .loss = "mse"                                               the name, with Keras' defaults
//   .loss = CategoricalCrossentropy({.label_smoothing = 0.1f})  with others
//   .loss = "categorical_crossentropy(label_smoothing=0.1)"     the same as text, as in flags
//
// Notation: p [K] a model's outputs, y [K] their target, sums and means over K; eps = 1e-7. Where
// outputs have more axes, [T..., K], each of the T... positions has a loss. A batch's loss is the
// mean over its samples and their positions.
//
// Dice, Tversky and Circle compare the samples of a batch with each other, or add them up: their
// loss is that of the batch, and depends on how large that is. What is reported of an epoch or an
// evaluation is, as in Keras, the mean of its batches' losses, each counted as often as it has
// samples; in a job the batches are the workers' mini-batches.
//
// A record's target is K numbers, which are y, or a class number c, from which y is made:
//   categorical_crossentropy, categorical_focal_crossentropy, categorical_hinge
//                                     1 at c and 0 elsewhere
//   sparse_categorical_crossentropy, categorical_generalized_cross_entropy
//                                     c itself; K is at least the number of classes
//   circle                            c itself; K is free
//   all others                        of one output: c itself, of 2 classes; otherwise 1 at c and 0
//                                     elsewhere
//
// Probabilities and logits. The crossentropies take probabilities, or with from_logits what a
// softmax (the binary ones: a sigmoid) makes probabilities of. Behind a last softmax (sigmoid) they
// are computed from its inputs anyway, as in Keras on TensorFlow, so that none is lost by rounding.
// Other outputs are clipped to [eps, 1 - eps], of categorical ones after scaling to sum 1; no
// gradient passes where the clip cuts. Keras on TensorFlow differs in what is no distribution: it
// takes the inputs of a last sigmoid for those of a softmax and the other way round
// (binary_crossentropy behind a softmax is there a function of the softmax's inputs; here, as in
// Keras on other backends and for losses that are called by themselves, of its outputs), and the
// sparse loss clips before it scales.
//
// Ranges, checked when training starts (std::invalid_argument, naming the field): label_smoothing,
// margin and alpha from 0 to 1 (Tversky's alpha and beta finite and at least 0), gamma finite and
// at least 0 (Circle's above 0), delta finite and above 0, q above 0 and below 1; each axis once.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>

#include "sluice/cplusplus.h"

namespace sluice {

// --- Of classes ---

// -sum y_k log p_k, with y smoothed to y (1 - label_smoothing) + label_smoothing / K.
// Keras: keras.losses.CategoricalCrossentropy.
struct CategoricalCrossentropy {
  bool from_logits = false;
  float label_smoothing = 0;
  friend bool operator==(const CategoricalCrossentropy&, const CategoricalCrossentropy&) = default;
};

// -log p_c. Rows of the class `ignore_class` have no loss, and do not count in the batch's mean.
// Only for targets that are class numbers. Keras: keras.losses.SparseCategoricalCrossentropy.
struct SparseCategoricalCrossentropy {
  bool from_logits = false;
  std::optional<int> ignore_class{};
  friend bool operator==(const SparseCategoricalCrossentropy&,
                         const SparseCategoricalCrossentropy&) = default;
};

// -mean(y_k log p_k + (1 - y_k) log(1 - p_k)), with y smoothed to
// y (1 - label_smoothing) + label_smoothing / 2: for one output, or for K that are true or not each
// for itself. Keras: keras.losses.BinaryCrossentropy.
struct BinaryCrossentropy {
  bool from_logits = false;
  float label_smoothing = 0;
  friend bool operator==(const BinaryCrossentropy&, const BinaryCrossentropy&) = default;
};

// sum alpha (1 - p_k)^gamma times the terms of the categorical crossentropy, of clipped p also
// where they come from logits: what is told well counts less (Lin et al., 2018).
// Keras: keras.losses.CategoricalFocalCrossentropy.
struct CategoricalFocalCrossentropy {
  float alpha = 0.25f;
  float gamma = 2;
  bool from_logits = false;
  float label_smoothing = 0;
  friend bool operator==(const CategoricalFocalCrossentropy&,
                         const CategoricalFocalCrossentropy&) = default;
};

// mean (1 - q_k)^gamma times the terms of the binary crossentropy, q = y p + (1 - y)(1 - p); with
// class balancing also times y alpha + (1 - y)(1 - alpha).
// Keras: keras.losses.BinaryFocalCrossentropy.
struct BinaryFocalCrossentropy {
  bool apply_class_balancing = false;
  float alpha = 0.25f;
  float gamma = 2;
  bool from_logits = false;
  float label_smoothing = 0;
  friend bool operator==(const BinaryFocalCrossentropy&, const BinaryFocalCrossentropy&) = default;
};

// (1 - p_c^q) / q: between the crossentropy (q near 0) and the absolute error (q near 1), which
// bears wrong labels (Zhang & Sabuncu, 2018). Only for targets that are class numbers, and outputs
// that are probabilities; these are neither scaled nor clipped. Keras:
// keras.losses.CategoricalGeneralizedCrossEntropy.
struct CategoricalGeneralizedCrossEntropy {
  float q = 0.5f;
  friend bool operator==(const CategoricalGeneralizedCrossEntropy&,
                         const CategoricalGeneralizedCrossEntropy&) = default;
};

// sum y_k log(y_k / p_k), both clipped to [eps, 1]. Keras: keras.losses.KLDivergence.
struct KLDivergence {
  friend bool operator==(const KLDivergence&, const KLDivergence&) = default;
};

// mean max(1 - y_k p_k, 0), y being -1 or 1; a target of 0 counts as -1.
// Keras: keras.losses.Hinge, which takes 0 for -1 only in batches of nothing but 0 and 1.
struct Hinge {
  friend bool operator==(const Hinge&, const Hinge&) = default;
};

// mean max(1 - y_k p_k, 0)^2, as above. Keras: keras.losses.SquaredHinge.
struct SquaredHinge {
  friend bool operator==(const SquaredHinge&, const SquaredHinge&) = default;
};

// max(max((1 - y_k) p_k) - sum y_k p_k + 1, 0). Keras: keras.losses.CategoricalHinge.
struct CategoricalHinge {
  friend bool operator==(const CategoricalHinge&, const CategoricalHinge&) = default;
};

// --- Of classes, over a batch ---

// Axes of a batch of outputs [N, T..., K], counted from 0 or, below 0, from the last; none stands
// for all of them. At most kMost.
struct LossAxes {
  static constexpr size_t kMost = 8;

  constexpr LossAxes() = default;
  // Throws std::invalid_argument for more than kMost.
  LossAxes(std::initializer_list<int> axes);  // NOLINT: implicit

  size_t size = 0;
  std::array<int, kMost> axes{};
  friend bool operator==(const LossAxes&, const LossAxes&) = default;
};

// 1 - 2 sum y p / (sum y + sum p + eps), summed over `axis`, and then the mean over what is left:
// of masks (Milletari et al., 2016).
//
//   {}           one loss of the whole batch, times the mean of its samples' weights
//   {1, 2, 3}    of images [H, W, K] a loss for each sample, times its weight
//   {0, 1, 2}    a loss for each of the K outputs
//
// The positions T... are summed over together or not at all: any other choice is a ShapeError when
// training starts, as is an axis that there is not. Keras: keras.losses.Dice.
struct Dice {
  LossAxes axis{};
  friend bool operator==(const Dice&, const Dice&) = default;
};

// 1 - s / (s + alpha sum y (1 - p) + beta sum p (1 - y) + eps), s = sum y p, summed as above: alpha
// weighs what was missed, beta what was wrongly found (Salehi et al., 2017), as Keras computes it,
// although its documentation says it the other way round. Keras: keras.losses.Tversky.
struct Tversky {
  float alpha = 0.5f;
  float beta = 0.5f;
  LossAxes axis{};
  friend bool operator==(const Tversky&, const Tversky&) = default;
};

// Of embeddings z [K] of norm 1 (UnitNormalization), each sample i against all others of its batch:
//
//   log(1 + sum_j exp(-gamma (m + d_ij) (m - d_ij)) sum_l exp(gamma max(1 + m - d_il, 0) (1 - m -
//   d_il))), d_ij = max(1 - z_i z_j, 0), m = margin,
//
// j over the samples of i's class, without i itself unless `remove_diagonal` is false, l over those
// of other classes (Sun et al., 2020). A sample whose loss is 0, as where its batch has no j or no
// l, does not count in the mean. Only for targets that are class numbers, and outputs [K]. There is
// no accuracy of it, nor any other metric (sluice/metrics.h). Keras: keras.losses.Circle.
struct Circle {
  float gamma = 80;
  float margin = 0.4f;
  bool remove_diagonal = true;
  friend bool operator==(const Circle&, const Circle&) = default;
};

// --- Of numbers ---

// mean (p_k - y_k)^2. Keras: keras.losses.MeanSquaredError.
struct MeanSquaredError {
  friend bool operator==(const MeanSquaredError&, const MeanSquaredError&) = default;
};

// mean |p_k - y_k|. Keras: keras.losses.MeanAbsoluteError.
struct MeanAbsoluteError {
  friend bool operator==(const MeanAbsoluteError&, const MeanAbsoluteError&) = default;
};

// 100 mean |p_k - y_k| / max(|y_k|, eps). Keras: keras.losses.MeanAbsolutePercentageError.
struct MeanAbsolutePercentageError {
  friend bool operator==(const MeanAbsolutePercentageError&,
                         const MeanAbsolutePercentageError&) = default;
};

// mean (log(1 + max(p_k, eps)) - log(1 + max(y_k, eps)))^2.
// Keras: keras.losses.MeanSquaredLogarithmicError.
struct MeanSquaredLogarithmicError {
  friend bool operator==(const MeanSquaredLogarithmicError&,
                         const MeanSquaredLogarithmicError&) = default;
};

// mean of e^2 / 2 where |e| <= delta, delta |e| - delta^2 / 2 elsewhere; e = p_k - y_k (Huber,
// 1964). Keras: keras.losses.Huber.
struct Huber {
  float delta = 1;
  friend bool operator==(const Huber&, const Huber&) = default;
};

// mean log cosh(p_k - y_k). Keras: keras.losses.LogCosh.
struct LogCosh {
  friend bool operator==(const LogCosh&, const LogCosh&) = default;
};

// mean (p_k - y_k log(p_k + eps)). Keras: keras.losses.Poisson.
struct Poisson {
  friend bool operator==(const Poisson&, const Poisson&) = default;
};

// -sum y_k p_k / (|y| |p|), each norm at least eps. Keras: keras.losses.CosineSimilarity.
struct CosineSimilarity {
  friend bool operator==(const CosineSimilarity&, const CosineSimilarity&) = default;
};

using AnyLoss =
    std::variant<CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy,
                 CategoricalFocalCrossentropy, BinaryFocalCrossentropy,
                 CategoricalGeneralizedCrossEntropy, KLDivergence, Hinge, SquaredHinge,
                 CategoricalHinge, Dice, Tversky, Circle, MeanSquaredError, MeanAbsoluteError,
                 MeanAbsolutePercentageError, MeanSquaredLogarithmicError, Huber, LogCosh, Poisson,
                 CosineSimilarity>;

// A choice of loss with its options: a value.
struct LossSpec {
  constexpr LossSpec() = default;
  // By Keras' name ("huber", "mean_squared_error"), class ("Huber") or abbreviation ("mse", "mae",
  // "mape", "msle", "bce", "kld"), in any letter case, with Keras' defaults; with options behind
  // it, as a call in Python has them: "huber(delta=0.5)".
  // Throws std::invalid_argument for any other name, option or value.
  LossSpec(const char* which) : LossSpec(std::string(which)) {}  // NOLINT: implicit
  LossSpec(const std::string& which);                            // NOLINT: implicit
  template <typename Loss>
  requires(!std::is_same_v<Loss, LossSpec> && std::is_class_v<Loss> &&
           std::is_trivially_copyable_v<Loss> &&
           std::is_constructible_v<AnyLoss, Loss>) constexpr LossSpec(const Loss& which)
      : loss(which) {}  // NOLINT: implicit

  std::string name() const;  // Keras': "huber"

  AnyLoss loss;

  friend bool operator==(const LossSpec&, const LossSpec&) = default;
};

}  // namespace sluice
