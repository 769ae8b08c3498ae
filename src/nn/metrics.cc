#include "nn/metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "sluice/metrics.h"

namespace sluice::nn {
namespace {

using backend::Counting;
using backend::Metric;
using Kind = Counting::Kind;
using Positive = Counting::Positive;
using Result = Metric::Result;

struct Row {
  std::vector<std::string> names;  // the first: of the class, as Keras shows it
  Metric metric;                   // with Keras' defaults
  std::vector<std::string> options{};
  std::string needed{};  // the one that there must be
};

// Whose options are read in this order: top_k sets another threshold, unless one is given.
const std::vector<std::string> kOfOutcomes = {"top_k", "threshold", "thresholds", "class_id"};

Metric of_outcomes(Result result, Positive positive = Positive::kAbove) {
  return {.counting = {.kind = Kind::kOutcomes, .positive = positive}, .result = result};
}
Metric by_threshold(Result result) {
  return {.counting = {.kind = Kind::kByThreshold}, .result = result};
}
Metric by_class(Result result, Positive positive) {
  return {.counting = {.kind = Kind::kByClass, .positive = positive}, .result = result};
}
Metric of_losses(const LossSpec& loss, Result result = Result::kMean) {
  return {.counting = {.kind = Kind::kLosses}, .result = result, .loss = loss};
}

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {{"accuracy", "acc", "Accuracy"}, {}},
      {{"binary_accuracy", "BinaryAccuracy"},
       {.counting = {.kind = Kind::kElements}, .result = Result::kShareOfElements},
       {"threshold"}},
      {{"categorical_accuracy", "CategoricalAccuracy"},
       {.counting = {.kind = Kind::kFirstLargest}}},
      {{"sparse_categorical_accuracy", "SparseCategoricalAccuracy"},
       {.counting = {.kind = Kind::kFirstLargest}}},
      {{"top_k_categorical_accuracy", "TopKCategoricalAccuracy"},
       {.counting = {.kind = Kind::kInTopK}},
       {"k"}},
      {{"sparse_top_k_categorical_accuracy", "SparseTopKCategoricalAccuracy"},
       {.counting = {.kind = Kind::kInTopK}},
       {"k"}},
      {{"precision", "Precision"}, of_outcomes(Result::kPrecision), kOfOutcomes},
      {{"recall", "Recall"}, of_outcomes(Result::kRecall), kOfOutcomes},
      {{"true_positives", "TruePositives"},
       of_outcomes(Result::kTruePositives),
       {"threshold", "thresholds"}},
      {{"false_positives", "FalsePositives"},
       of_outcomes(Result::kFalsePositives),
       {"threshold", "thresholds"}},
      {{"true_negatives", "TrueNegatives"},
       of_outcomes(Result::kTrueNegatives),
       {"threshold", "thresholds"}},
      {{"false_negatives", "FalseNegatives"},
       of_outcomes(Result::kFalseNegatives),
       {"threshold", "thresholds"}},
      {{"auc", "AUC"}, by_threshold(Result::kAreaUnderRoc), {"num_thresholds", "curve"}},
      {{"sensitivity_at_specificity", "SensitivityAtSpecificity"},
       by_threshold(Result::kSensitivityAtSpecificity),
       {"specificity", "num_thresholds", "class_id"},
       "specificity"},
      {{"specificity_at_sensitivity", "SpecificityAtSensitivity"},
       by_threshold(Result::kSpecificityAtSensitivity),
       {"sensitivity", "num_thresholds", "class_id"},
       "sensitivity"},
      {{"precision_at_recall", "PrecisionAtRecall"},
       by_threshold(Result::kPrecisionAtRecall),
       {"recall", "num_thresholds", "class_id"},
       "recall"},
      {{"recall_at_precision", "RecallAtPrecision"},
       by_threshold(Result::kRecallAtPrecision),
       {"precision", "num_thresholds", "class_id"},
       "precision"},
      {{"f1_score", "F1Score"},
       by_class(Result::kFScore, Positive::kLargest),
       {"average", "threshold"}},
      {{"fbeta_score", "FBetaScore"},
       by_class(Result::kFScore, Positive::kLargest),
       {"average", "beta", "threshold"}},
      {{"io_u", "iou", "IoU"},
       by_class(Result::kIntersectionOverUnion, Positive::kFirstLargest),
       {"num_classes", "target_class_ids", "ignore_class"},
       "target_class_ids"},
      {{"mean_io_u", "mean_iou", "MeanIoU"},
       by_class(Result::kIntersectionOverUnion, Positive::kFirstLargest),
       {"num_classes", "ignore_class"}},
      {{"one_hot_io_u", "one_hot_iou", "OneHotIoU"},
       by_class(Result::kIntersectionOverUnion, Positive::kFirstLargest),
       {"num_classes", "target_class_ids", "ignore_class"},
       "target_class_ids"},
      {{"one_hot_mean_io_u", "one_hot_mean_iou", "OneHotMeanIoU"},
       by_class(Result::kIntersectionOverUnion, Positive::kFirstLargest),
       {"num_classes", "ignore_class"}},
      {{"binary_io_u", "binary_iou", "BinaryIoU"},
       of_outcomes(Result::kIntersectionOverUnion, Positive::kAtLeast),
       {"target_class_ids", "threshold"}},
      {{"confusion_matrix"},
       {.counting = {.kind = Kind::kPairs}, .result = Result::kMatrix},
       {"threshold"}},
      {{"mean_squared_error", "mse", "MSE", "MeanSquaredError"}, of_losses(MeanSquaredError{})},
      {{"root_mean_squared_error", "RootMeanSquaredError"},
       of_losses(MeanSquaredError{}, Result::kRootOfMean)},
      {{"mean_absolute_error", "mae", "MAE", "MeanAbsoluteError"}, of_losses(MeanAbsoluteError{})},
      {{"mean_absolute_percentage_error", "mape", "MAPE", "MeanAbsolutePercentageError"},
       of_losses(MeanAbsolutePercentageError{})},
      {{"mean_squared_logarithmic_error", "msle", "MSLE", "MeanSquaredLogarithmicError"},
       of_losses(MeanSquaredLogarithmicError{})},
      {{"logcosh", "log_cosh", "log_cosh_error", "LogCoshError"}, of_losses(LogCosh{})},
      {{"cosine_similarity", "CosineSimilarity"},
       of_losses(CosineSimilarity{}, Result::kMinusMean)},
      {{"r2_score", "R2Score"},
       {.counting = {.kind = Kind::kMoments},
        .result = Result::kR2,
        .average = Metric::Average::kMacro},
       {"class_aggregation", "num_regressors"}},
      {{"kl_divergence", "KLDivergence"}, of_losses(KLDivergence{})},
      {{"poisson", "Poisson"}, of_losses(Poisson{})},
      {{"hinge", "Hinge"}, of_losses(Hinge{})},
      {{"squared_hinge", "SquaredHinge"}, of_losses(SquaredHinge{})},
      {{"categorical_hinge", "CategoricalHinge"}, of_losses(CategoricalHinge{})},
      {{"binary_crossentropy", "bce", "BCE", "BinaryCrossentropy"},
       of_losses(BinaryCrossentropy{}),
       {"from_logits", "label_smoothing"}},
      {{"categorical_crossentropy", "CategoricalCrossentropy"},
       of_losses(CategoricalCrossentropy{}),
       {"from_logits", "label_smoothing"}},
      {{"sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"},
       of_losses(SparseCategoricalCrossentropy{}),
       {"from_logits"}},
  };
  return kRows;
}

std::string trimmed(const std::string& text) {
  const auto is_blank = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_blank);
  const auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), is_blank);
  return {begin, end.base()};
}

const Row& find_row(const std::string& name) {
  std::string known;
  for (const Row& row : rows()) {
    if (std::find(row.names.begin(), row.names.end(), name) != row.names.end()) return row;
    known += (known.empty() ? "" : ", ") + row.names.front();
  }
  throw std::invalid_argument(fmt::format("metric \"{}\": use one of {}", name, known));
}

// What an option is given, and whose it is.
struct Given {
  const std::string& metric;
  const std::string& option;
  std::string text;

  [[noreturn]] void refuse(const std::string& expected) const {
    throw std::invalid_argument(
        fmt::format("metric \"{}\": {}: expected {}, got \"{}\"", metric, option, expected, text));
  }
  template <typename Number>
  Number number(Number least, Number most) const {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stopped == end && value >= least && value <= most) return value;
    refuse(fmt::format("a number from {} to {}", least, most));
  }
  // One of the names, each with what it stands for.
  template <typename Value>
  Value one_of(const std::vector<std::pair<std::string, Value>>& values) const {
    std::string names;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto& [name, value] = values[i];
      if (text == name) return value;
      names += (i == 0 ? "" : i + 1 == values.size() ? " or " : ", ") + name;
    }
    refuse(names);
  }
};

constexpr int64_t kMostClasses = 1 << 30, kMostThresholds = 10000;
constexpr float kBelowAll = -1e10f;  // Keras' threshold where top_k alone decides

// "[0, 2]", "(0, 2)" or "2".
std::vector<int64_t> class_ids(const Given& given) {
  std::string text = given.text;
  const bool is_list = text.size() >= 2 && ((text.front() == '[' && text.back() == ']') ||
                                            (text.front() == '(' && text.back() == ')'));
  if (is_list) text = text.substr(1, text.size() - 2);
  std::vector<std::string> parts = split_metrics(text);
  if (parts.size() > 1 && parts.back().empty()) parts.pop_back();  // "(0,)"
  std::vector<int64_t> ids;
  for (const std::string& id : parts) {
    ids.push_back(Given{given.metric, given.option, id}.number<int64_t>(0, kMostClasses));
  }
  if (ids.empty()) given.refuse("class numbers like [0, 2]");
  return ids;
}

// Sets a field that not all losses have.
template <typename Set>
void set_of_loss(Metric& metric, const Set& set) {
  std::visit(
      [&](auto& loss) {
        if constexpr (requires { set(loss); }) set(loss);
      },
      metric.loss.loss);
}

void set_threshold(Metric& metric, const Given& given) {
  metric.counting.threshold = given.number<float>(0, 1);
  if (metric.counting.positive == Positive::kLargest) metric.counting.positive = Positive::kAbove;
}

void set_bound(Metric& metric, const Given& given) { metric.bound = given.number<float>(0, 1); }

struct Option {
  std::string_view name;
  void (*set)(Metric& metric, const Given& given);
};
constexpr Option kOptions[] = {
    {"threshold", set_threshold},
    {"thresholds", set_threshold},
    {"specificity", set_bound},
    {"sensitivity", set_bound},
    {"precision", set_bound},
    {"recall", set_bound},
    {"k", [](Metric& metric,
             const Given& given) { metric.counting.k = given.number<int64_t>(1, kMostClasses); }},
    {"top_k",
     [](Metric& metric, const Given& given) {
       metric.counting.top_k = given.number<int64_t>(1, kMostClasses);
       metric.counting.threshold = kBelowAll;
     }},
    {"class_id",
     [](Metric& metric, const Given& given) {
       metric.counting.class_id = given.number<int64_t>(0, kMostClasses);
     }},
    {"num_thresholds",
     [](Metric& metric, const Given& given) {
       metric.counting.thresholds = given.number<int64_t>(3, kMostThresholds);
     }},
    {"curve",
     [](Metric& metric, const Given& given) {
       metric.result = given.one_of<Result>(
           {{"ROC", Result::kAreaUnderRoc}, {"PR", Result::kAreaUnderPrecisionAndRecall}});
     }},
    {"average",
     [](Metric& metric, const Given& given) {
       using enum Metric::Average;
       metric.average = given.one_of<Metric::Average>(
           {{"micro", kMicro}, {"macro", kMacro}, {"weighted", kWeighted}, {"None", kNone}});
     }},
    {"class_aggregation",
     [](Metric& metric, const Given& given) {
       using enum Metric::Average;
       metric.average = given.one_of<Metric::Average>({{"uniform_average", kMacro},
                                                       {"variance_weighted_average", kWeighted},
                                                       {"None", kNone}});
     }},
    {"beta",
     [](Metric& metric, const Given& given) {
       metric.beta = given.number<float>(std::numeric_limits<float>::min(), 1e6f);
     }},
    {"num_classes",
     [](Metric& metric, const Given& given) {
       metric.classes = given.number<int64_t>(1, kMostClasses);
     }},
    {"target_class_ids",
     [](Metric& metric, const Given& given) { metric.class_ids = class_ids(given); }},
    {"ignore_class",
     [](Metric& metric, const Given& given) {
       metric.counting.ignored_class = given.number<int64_t>(-kMostClasses, kMostClasses);
     }},
    {"num_regressors",
     [](Metric& metric, const Given& given) {
       metric.regressors = given.number<int64_t>(0, kMostClasses);
     }},
    {"from_logits",
     [](Metric& metric, const Given& given) {
       const bool value = given.one_of<bool>({{"true", true}, {"false", false}});
       set_of_loss(metric, [&](auto& loss) -> decltype(loss.from_logits, void()) {
         loss.from_logits = value;
       });
     }},
    {"label_smoothing",
     [](Metric& metric, const Given& given) {
       const auto value = given.number<float>(0, 1);
       set_of_loss(metric, [&](auto& loss) -> decltype(loss.label_smoothing, void()) {
         loss.label_smoothing = value;
       });
     }},
};

const Option& find_option(std::string_view name) {
  const auto found = std::ranges::find(kOptions, name, &Option::name);
  SLUICE_CHECK(found != std::end(kOptions)) << "no option " << name;
  return *found;
}

void set_options(const Row& row, const std::map<std::string, std::string>& given, Metric& metric) {
  const std::string& who = row.names.front();
  for (const auto& [option, value] : given) {
    if (option == "name" && !value.empty()) {
      metric.name = value;
    } else if (std::ranges::find(row.options, option) == row.options.end()) {
      std::string known = "name";
      for (const std::string& other : row.options) known += ", " + other;
      throw std::invalid_argument(
          fmt::format("metric \"{}\": option \"{}\" is not known; it has {}", who, option, known));
    }
  }
  for (const std::string& option : row.options) {
    const auto value = given.find(option);
    if (value != given.end()) find_option(option).set(metric, {who, option, value->second});
  }
}

}  // namespace

std::vector<std::string> split_metrics(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' || c == '[' ? 1 : (c == ')' || c == ']' ? -1 : 0);
    if (c == ',' && depth <= 0) {
      parts.push_back(trimmed(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!parts.empty() || !trimmed(part).empty()) parts.push_back(trimmed(part));
  return parts;
}

Metric parse_metric(const std::string& text) {
  const size_t bracket = text.find('(');
  const std::string name = trimmed(text.substr(0, bracket));
  const Row& row = find_row(name);
  std::map<std::string, std::string> given;
  if (bracket != std::string::npos) {
    const std::string rest = trimmed(text.substr(bracket));
    if (rest.back() != ')') {
      throw std::invalid_argument(
          fmt::format("metric \"{}\": expected a bracket at the end of \"{}\"", name, text));
    }
    for (const std::string& option : split_metrics(rest.substr(1, rest.size() - 2))) {
      const size_t equals = option.find('=');
      if (equals == std::string::npos) {
        throw std::invalid_argument(
            fmt::format("metric \"{}\": expected OPTION=VALUE, got \"{}\"", name, option));
      }
      given[trimmed(option.substr(0, equals))] = trimmed(option.substr(equals + 1));
    }
  }
  if (!row.needed.empty() && !given.contains(row.needed)) {
    throw std::invalid_argument(
        fmt::format("metric \"{}\": needs {}: \"{}({}=...)\"", name, row.needed, name, row.needed));
  }
  Metric metric = row.metric;
  // Keras shows a function's name as it was typed, and a class' own.
  metric.name =
      std::isupper(static_cast<unsigned char>(name.front())) != 0 ? row.names.front() : name;
  set_options(row, given, metric);
  return metric;
}

}  // namespace sluice::nn

namespace sluice {

double Metrics::value(const std::string& name) const {
  for (const auto& [other, value] : values) {
    if (other == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace sluice
