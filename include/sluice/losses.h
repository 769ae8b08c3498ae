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
// A record's target is K numbers, which are y, or a class number c, from which y is made:
//   categorical_crossentropy, categorical_focal_crossentropy, categorical_hinge
//                                     1 at c and 0 elsewhere
//   sparse_categorical_crossentropy   c itself; K is at least the number of classes
//   all others                        of one output: c itself, of 2 classes; otherwise 1 at c and 0
//                                     elsewhere
//
// Probabilities and logits. The crossentropies take probabilities, or with from_logits what a
// softmax (the binary ones: a sigmoid) makes probabilities of. Behind a last softmax (sigmoid) they
// are computed from its inputs anyway, as in Keras on TensorFlow, so that none is lost by rounding.
// Other outputs are clipped to [eps, 1 - eps], of categorical ones after scaling to sum 1; no
// gradient passes where the clip cuts. Keras on TensorFlow differs in what is no distribution: it
// takes the inputs of a last sigmoid for those of a softmax and the other way round, and the sparse
// loss clips before it scales.
//
// Ranges, checked when training starts (std::invalid_argument, naming the field): label_smoothing
// and alpha from 0 to 1, gamma finite and at least 0, delta finite and above 0.
#pragma once

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
                 CategoricalFocalCrossentropy, BinaryFocalCrossentropy, KLDivergence, Hinge,
                 SquaredHinge, CategoricalHinge, MeanSquaredError, MeanAbsoluteError,
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
