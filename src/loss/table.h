// The table of losses: names, options, and what their targets and outputs are. Adding one: its
// struct in sluice/losses.h, its line here, its formula in backend/loss_rows.h.
#pragma once

#include <optional>
#include <string_view>
#include <tuple>

#include "loss/traits.h"
#include "optim/range.h"
#include "sluice/losses.h"

namespace sluice::loss {

using optim::kFraction;
using optim::kInside;
using optim::kNotNegative;
using optim::kPositive;
using optim::Range;

template <typename Loss, typename Value>
struct Option {
  const char* name;  // Keras'
  Value Loss::*field;
  Range range{};  // of numbers
};
template <typename Loss, typename Value>
constexpr Option<Loss, Value> option(const char* name, Value Loss::*field, Range range = {}) {
  return {name, field, range};
}

template <typename L, typename... Options>
struct Definition {
  using Loss = L;
  std::string_view name, class_name, abbreviation;  // Keras'; no abbreviation: empty
  Traits traits;
  std::tuple<Options...> options;  // in Keras' order
};
template <typename Loss, typename... Options>
constexpr Definition<Loss, Options...> define(std::string_view name, std::string_view class_name,
                                              std::string_view abbreviation, Traits traits,
                                              Options... options) {
  return {name, class_name, abbreviation, traits, {options...}};
}

inline constexpr Traits kCategorical{Link::kSoftmax, ClassTarget::kOneHot, Predicts::kClasses};
inline constexpr Traits kSparse{Link::kSoftmax, ClassTarget::kNumber, Predicts::kClasses};
inline constexpr Traits kBinary{Link::kSigmoid, ClassTarget::kNumberOfOne, Predicts::kClasses};
inline constexpr Traits kSeparate{Link::kNone, ClassTarget::kNumberOfOne, Predicts::kClasses};
inline constexpr Traits kShares{Link::kNone, ClassTarget::kNumberOfOne, Predicts::kClasses, true};
inline constexpr Traits kShareOfOne{Link::kNone, ClassTarget::kNumber, Predicts::kClasses, true};
inline constexpr Traits kEmbedded{Link::kNone, ClassTarget::kNumber, Predicts::kEmbeddings};
inline constexpr Traits kMargin{Link::kNone, ClassTarget::kOneHot, Predicts::kClasses};
inline constexpr Traits kNumbers{Link::kNone, ClassTarget::kNumberOfOne, Predicts::kNumbers};

inline constexpr std::tuple kTable{
    define<CategoricalCrossentropy>(
        "categorical_crossentropy", "CategoricalCrossentropy", "", kCategorical,
        option("from_logits", &CategoricalCrossentropy::from_logits),
        option("label_smoothing", &CategoricalCrossentropy::label_smoothing, kFraction)),
    define<SparseCategoricalCrossentropy>(
        "sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "", kSparse,
        option("from_logits", &SparseCategoricalCrossentropy::from_logits),
        option("ignore_class", &SparseCategoricalCrossentropy::ignore_class)),
    define<BinaryCrossentropy>(
        "binary_crossentropy", "BinaryCrossentropy", "bce", kBinary,
        option("from_logits", &BinaryCrossentropy::from_logits),
        option("label_smoothing", &BinaryCrossentropy::label_smoothing, kFraction)),
    define<CategoricalFocalCrossentropy>(
        "categorical_focal_crossentropy", "CategoricalFocalCrossentropy", "", kCategorical,
        option("alpha", &CategoricalFocalCrossentropy::alpha, kFraction),
        option("gamma", &CategoricalFocalCrossentropy::gamma, kNotNegative),
        option("from_logits", &CategoricalFocalCrossentropy::from_logits),
        option("label_smoothing", &CategoricalFocalCrossentropy::label_smoothing, kFraction)),
    define<BinaryFocalCrossentropy>(
        "binary_focal_crossentropy", "BinaryFocalCrossentropy", "", kBinary,
        option("apply_class_balancing", &BinaryFocalCrossentropy::apply_class_balancing),
        option("alpha", &BinaryFocalCrossentropy::alpha, kFraction),
        option("gamma", &BinaryFocalCrossentropy::gamma, kNotNegative),
        option("from_logits", &BinaryFocalCrossentropy::from_logits),
        option("label_smoothing", &BinaryFocalCrossentropy::label_smoothing, kFraction)),
    define<CategoricalGeneralizedCrossEntropy>(
        "categorical_generalized_cross_entropy", "CategoricalGeneralizedCrossEntropy", "",
        kShareOfOne, option("q", &CategoricalGeneralizedCrossEntropy::q, kInside)),
    define<KLDivergence>("kl_divergence", "KLDivergence", "kld", kShares),
    define<Hinge>("hinge", "Hinge", "", kSeparate),
    define<SquaredHinge>("squared_hinge", "SquaredHinge", "", kSeparate),
    define<CategoricalHinge>("categorical_hinge", "CategoricalHinge", "", kMargin),
    define<Dice>("dice", "Dice", "", kShares, option("axis", &Dice::axis)),
    define<Tversky>("tversky", "Tversky", "", kShares,
                    option("alpha", &Tversky::alpha, kNotNegative),
                    option("beta", &Tversky::beta, kNotNegative), option("axis", &Tversky::axis)),
    define<Circle>("circle", "Circle", "", kEmbedded, option("gamma", &Circle::gamma, kPositive),
                   option("margin", &Circle::margin, kFraction),
                   option("remove_diagonal", &Circle::remove_diagonal)),
    define<MeanSquaredError>("mean_squared_error", "MeanSquaredError", "mse", kNumbers),
    define<MeanAbsoluteError>("mean_absolute_error", "MeanAbsoluteError", "mae", kNumbers),
    define<MeanAbsolutePercentageError>("mean_absolute_percentage_error",
                                        "MeanAbsolutePercentageError", "mape", kNumbers),
    define<MeanSquaredLogarithmicError>("mean_squared_logarithmic_error",
                                        "MeanSquaredLogarithmicError", "msle", kNumbers),
    define<Huber>("huber", "Huber", "", kNumbers, option("delta", &Huber::delta, kPositive)),
    define<LogCosh>("log_cosh", "LogCosh", "", kNumbers),
    define<Poisson>("poisson", "Poisson", "", kNumbers),
    define<CosineSimilarity>("cosine_similarity", "CosineSimilarity", "", kNumbers),
};

// Calls use(definition) for each, in the table's order.
template <typename Use>
constexpr void for_each_definition(const Use& use) {
  std::apply([&](const auto&... definitions) { (use(definitions), ...); }, kTable);
}

// Calls use(definition, loss) with the one that `spec` has.
template <typename Spec, typename Use>
void with_definition(Spec& spec, const Use& use) {
  for_each_definition([&](const auto& definition) {
    using Loss = typename std::decay_t<decltype(definition)>::Loss;
    if (auto* own = std::get_if<Loss>(&spec.loss)) use(definition, *own);
  });
}

// Calls use(option) for each of a definition's options.
template <typename Definition, typename Use>
void for_each_option(const Definition& definition, const Use& use) {
  std::apply([&](const auto&... options) { (use(options), ...); }, definition.options);
}

}  // namespace sluice::loss
