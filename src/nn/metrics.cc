#include "nn/metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include "backend/batch_losses.h"
#include "core/alternatives.h"
#include "core/check.h"
#include "loss/loss_json.h"
#include "loss/traits.h"
#include "optim/call_text.h"
#include "optim/lower_case.h"
#include "sluice/metrics.h"

namespace sluice::nn {
namespace {

using backend::Counting;
using backend::Metric;
using Kind = Counting::Kind;
using Positive = Counting::Positive;
using Result = Metric::Result;
using Json = nlohmann::ordered_json;

// What is no row is the mean of a loss.
struct Row {
  std::vector<std::string> names;  // in any letter case; the first is listed, and shown of a class
  Metric metric;                   // with Keras' defaults
  std::vector<std::string> options{};
  std::string needed{};  // the one that there must be
};

const std::vector<std::string> kThreshold = {"threshold", "thresholds"};

Metric of_outcomes(Result result, Positive positive = Positive::kAbove) {
  return {.counting = {.kind = Kind::kOutcomes, .positive = positive}, .result = result};
}
Metric by_threshold(Result result) {
  return {.counting = {.kind = Kind::kByThreshold}, .result = result};
}
Row outcomes(const char* name, Result result) { return {{name}, of_outcomes(result), kThreshold}; }
// Options are read in this order: top_k sets another threshold, unless one is given.
Row rate(const char* name, Result result) {
  return {{name}, of_outcomes(result), {"top_k", "threshold", "thresholds", "class_id"}};
}
Row rate_at(const char* name, Result result, const char* given) {
  return {{name}, by_threshold(result), {given, "num_thresholds", "class_id"}, given};
}
Metric by_class(Result result, Positive positive) {
  return {.counting = {.kind = Kind::kByClass, .positive = positive}, .result = result};
}
Row of_overlap(const char* name, bool of_some_classes) {
  Row row{{name},
          by_class(Result::kIntersectionOverUnion, Positive::kFirstLargest),
          {"num_classes", "ignore_class"}};
  if (!of_some_classes) return row;
  row.needed = "target_class_ids";
  row.options.push_back(row.needed);
  return row;
}
Metric of_losses(const LossSpec& loss, Result result) {
  return {.counting = {.kind = Kind::kLosses}, .result = result, .loss = loss};
}

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {{"accuracy", "acc"}, {}},
      {{"binary_accuracy"},
       {.counting = {.kind = Kind::kElements}, .result = Result::kShareOfElements},
       {"threshold"}},
      {{"categorical_accuracy"}, {.counting = {.kind = Kind::kFirstLargest}}},
      {{"sparse_categorical_accuracy"}, {.counting = {.kind = Kind::kFirstLargest}}},
      {{"top_k_categorical_accuracy"}, {.counting = {.kind = Kind::kInTopK}}, {"k"}},
      {{"sparse_top_k_categorical_accuracy"}, {.counting = {.kind = Kind::kInTopK}}, {"k"}},
      rate("precision", Result::kPrecision),
      rate("recall", Result::kRecall),
      outcomes("true_positives", Result::kTruePositives),
      outcomes("false_positives", Result::kFalsePositives),
      outcomes("true_negatives", Result::kTrueNegatives),
      outcomes("false_negatives", Result::kFalseNegatives),
      {{"auc"}, by_threshold(Result::kAreaUnderRoc), {"num_thresholds", "curve"}},
      rate_at("sensitivity_at_specificity", Result::kSensitivityAtSpecificity, "specificity"),
      rate_at("specificity_at_sensitivity", Result::kSpecificityAtSensitivity, "sensitivity"),
      rate_at("precision_at_recall", Result::kPrecisionAtRecall, "recall"),
      rate_at("recall_at_precision", Result::kRecallAtPrecision, "precision"),
      {{"f1_score"}, by_class(Result::kFScore, Positive::kLargest), {"average", "threshold"}},
      {{"fbeta_score"},
       by_class(Result::kFScore, Positive::kLargest),
       {"average", "beta", "threshold"}},
      of_overlap("iou", /*of_some_classes=*/true),
      of_overlap("mean_iou", /*of_some_classes=*/false),
      of_overlap("one_hot_iou", /*of_some_classes=*/true),
      of_overlap("one_hot_mean_iou", /*of_some_classes=*/false),
      {{"binary_iou"},
       of_outcomes(Result::kIntersectionOverUnion, Positive::kAtLeast),
       {"target_class_ids", "threshold"}},
      {{"confusion_matrix"},
       {.counting = {.kind = Kind::kPairs}, .result = Result::kMatrix},
       {"threshold"}},
      {{"root_mean_squared_error"}, of_losses(MeanSquaredError{}, Result::kRootOfMean)},
      {{"logcosh", "log_cosh_error"}, of_losses(LogCosh{}, Result::kMean)},
      {{"cosine_similarity"}, of_losses(CosineSimilarity{}, Result::kMinusMean)},
      {{"r2_score"},
       {.counting = {.kind = Kind::kMoments},
        .result = Result::kR2,
        .average = Metric::Average::kMacro},
       {"class_aggregation", "num_regressors"}},
  };
  return kRows;
}

std::string trimmed(const std::string& text) {
  const auto is_blank = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_blank);
  const auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), is_blank);
  return {begin, end.base()};
}

// nullptr: there is none.
const Row* find_row(const std::string& name) {
  const auto is_it = [&](const std::string& other) {
    return optim::without_case(other) == optim::without_case(name);
  };
  for (const Row& row : rows()) {
    if (std::ranges::any_of(row.names, is_it)) return &row;
  }
  return nullptr;
}

[[noreturn]] void refuse_name(const std::string& name) {
  std::vector<std::string> known;
  for (const Row& row : rows()) known.push_back(row.names.front());
  for (const std::string_view name_of_loss : loss::names()) {
    const std::string other(name_of_loss);
    const bool adds_up = !backend::batch_losses::is_of_batch(other);
    if (adds_up && find_row(other) == nullptr) known.push_back(other);
  }
  const auto quoted = [](const std::string& one) { return fmt::format("\"{}\"", one); };
  throw std::invalid_argument(
      fmt::format("metric \"{}\": use {}", name, core::alternatives(known, quoted)));
}

// What an option is given, and whose it is.
struct Given {
  optim::CallArgument argument;
  const Json& value;

  [[noreturn]] void refuse(const std::string& expected) const {
    optim::refuse_value(argument, expected, value);
  }
  template <typename Number>
  Number number(Number least, Number most) const {
    const bool whole = std::is_integral_v<Number>;
    if (whole ? value.is_number_integer() : value.is_number()) {
      const auto given = value.get<double>();
      if (given >= static_cast<double>(least) && given <= static_cast<double>(most)) {
        return value.get<Number>();
      }
    }
    refuse(fmt::format("a {}number from {} to {}", whole ? "whole " : "", least, most));
  }
  // One of the names, each with what it stands for.
  template <typename Value>
  Value one_of(const std::vector<std::pair<std::string, Value>>& values) const {
    for (const auto& [name, stands_for] : values) {
      if (value.is_null() ? name == "None" : value == name) return stands_for;
    }
    refuse(core::alternatives(values, [](const auto& one) { return one.first; }));
  }
};

constexpr int64_t kMostClasses = 1 << 30, kMostThresholds = 10000;
constexpr float kBelowAll = -1e10f;  // Keras' threshold where top_k alone decides

// [0, 2], or 2 for [2].
std::vector<int64_t> class_ids(const Given& given) {
  const Json list = given.value.is_array() ? given.value : Json::array({given.value});
  if (list.empty()) given.refuse("class numbers like [0, 2]");
  std::vector<int64_t> ids;
  for (const Json& id : list) {
    ids.push_back(Given{given.argument, id}.number<int64_t>(0, kMostClasses));
  }
  return ids;
}

void set_threshold(Metric& metric, const Given& given) {
  metric.counting.threshold = given.number<float>(0, 1);
  if (metric.counting.positive == Positive::kLargest) metric.counting.positive = Positive::kAbove;
}

void set_bound(Metric& metric, const Given& given) { metric.bound = given.number<float>(0, 1); }

struct Option {
  std::string_view name;
  void (*set)(Metric& metric, const Given& given);
  bool has_none = false;  // None is a value, and not the default
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
     },
     /*has_none=*/true},
    {"class_aggregation",
     [](Metric& metric, const Given& given) {
       using enum Metric::Average;
       metric.average = given.one_of<Metric::Average>({{"uniform_average", kMacro},
                                                       {"variance_weighted_average", kWeighted},
                                                       {"None", kNone}});
     },
     /*has_none=*/true},
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
};

const Option& find_option(std::string_view name) {
  const auto found = std::ranges::find(kOptions, name, &Option::name);
  SLUICE_CHECK(found != std::end(kOptions)) << "no option " << name;
  return *found;
}

// Of Keras' configs, what changes nothing.
bool is_as_here(const std::string& key, const Json& value) {
  if (key == "dtype") return optim::is_float32(value) || value == "int64";  // IoU counts in that
  if (key == "axis") return value == -1;
  if (key == "summation_method") return value == "interpolation";
  if (key == "multi_label" || key == "from_logits" || key == "sparse_y_pred") return value == false;
  if (key == "num_labels" || key == "label_weights") return value.is_null();
  return key == "sparse_y_true";  // what targets are, the loss says
}

void set_options(const Row& row, const std::string& whose, const Json& config, Metric& metric) {
  for (const auto& [key, value] : config.items()) {
    const bool known = std::ranges::find(row.options, key) != row.options.end();
    if (known || key == "name" || is_as_here(key, value)) continue;
    std::vector<std::string> names = row.options;
    names.emplace_back("name");
    optim::refuse_argument({whose, key}, names);
  }
  for (const std::string& name : row.options) {
    const Option& option = find_option(name);
    const auto value = config.find(name);
    if (value == config.end() || (value->is_null() && !option.has_none)) {
      if (name != row.needed) continue;
      throw std::invalid_argument(fmt::format("{}: needs {}: \"{}({}=...)\"", whose, row.needed,
                                              row.names.front(), row.needed));
    }
    option.set(metric, {{whose, name}, *value});
  }
}

Metric mean_of_loss(const std::string& whose, const Json& call) {
  Metric metric = of_losses({}, Result::kMean);
  try {
    metric.loss = call.get<LossSpec>();
  } catch (const std::invalid_argument& error) {
    // loss "huber": ...
    const std::string text = error.what();
    throw std::invalid_argument("metric" + text.substr(text.find(' ')));
  }
  if (backend::batch_losses::is_of_batch(metric.loss)) {
    throw std::invalid_argument(
        whose + ": is a loss of whole batches, and would depend on how large they are");
  }
  const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&metric.loss.loss);
  if (sparse != nullptr && sparse->ignore_class) {
    optim::refuse_argument({whose, "ignore_class"}, {"from_logits", "name"});
  }
  return metric;
}

}  // namespace

std::vector<std::string> split_metrics(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  char quote = '\0';  // that a text began with
  for (const char c : text) {
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else {
      depth += c == '(' || c == '[' ? 1 : (c == ')' || c == ']' ? -1 : 0);
    }
    if (c == ',' && depth <= 0 && quote == '\0') {
      parts.push_back(trimmed(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!parts.empty() || !trimmed(part).empty()) parts.push_back(trimmed(part));
  return parts;
}

OutputMetric split_output(const std::string& text) {
  const size_t colon = text.substr(0, text.find('(')).rfind(':');
  if (colon == std::string::npos) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

Metric parse_metric(const std::string& text) {
  const Json call = optim::parse_call(text);
  const auto typed = call["class_name"].get<std::string>();
  const std::string whose = fmt::format("metric \"{}\"", typed);
  const Json& config = call["config"];
  const Row* const row = find_row(typed);
  if (row == nullptr && !loss::is_loss(typed)) refuse_name(typed);
  Metric metric = row != nullptr ? row->metric : mean_of_loss(whose, call);
  if (row != nullptr) set_options(*row, whose, config, metric);
  // As in Keras: a name alone as it was typed, of a class with arguments its own.
  const bool is_object = text.find('(') != std::string::npos;
  const bool is_class = std::isupper(static_cast<unsigned char>(typed.front())) != 0;
  metric.name = !is_object || !is_class ? typed
                : row != nullptr        ? row->names.front()
                                        : metric.loss.name();
  const Json name = config.value("name", Json());
  if (name.is_null()) return metric;
  const bool is_name = name.is_string() && !name.get<std::string>().empty();
  if (!is_name) optim::refuse_value({whose, "name"}, "a name to show it under", name);
  metric.name = name.get<std::string>();
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
