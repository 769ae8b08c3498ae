#include "nn/metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <utility>

#include "sluice/metrics.h"

namespace sluice::nn {
namespace {

using backend::Metric;
using Kind = Metric::Kind;

struct Row {
  Kind kind;
  std::vector<std::string> names;  // the first: of the class, as Keras shows it
  std::vector<std::string> options;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {Kind::kAccuracy, {"accuracy", "acc", "Accuracy"}, {}},
      {Kind::kBinaryAccuracy, {"binary_accuracy", "BinaryAccuracy"}, {"threshold"}},
      {Kind::kCategoricalAccuracy, {"categorical_accuracy", "CategoricalAccuracy"}, {}},
      {Kind::kCategoricalAccuracy,
       {"sparse_categorical_accuracy", "SparseCategoricalAccuracy"},
       {}},
      {Kind::kTopK, {"top_k_categorical_accuracy", "TopKCategoricalAccuracy"}, {"k"}},
      {Kind::kTopK, {"sparse_top_k_categorical_accuracy", "SparseTopKCategoricalAccuracy"}, {"k"}},
      {Kind::kPrecision, {"precision", "Precision"}, {"threshold", "class_id"}},
      {Kind::kRecall, {"recall", "Recall"}, {"threshold", "class_id"}},
      {Kind::kAuc, {"auc", "AUC"}, {"num_thresholds", "curve"}},
      {Kind::kConfusionMatrix, {"confusion_matrix"}, {"threshold"}},
      {Kind::kMeanSquaredError, {"mean_squared_error", "mse", "MSE", "MeanSquaredError"}, {}},
      {Kind::kRootMeanSquaredError, {"root_mean_squared_error", "RootMeanSquaredError"}, {}},
      {Kind::kMeanAbsoluteError, {"mean_absolute_error", "mae", "MAE", "MeanAbsoluteError"}, {}},
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

template <typename Number>
Number number(const std::string& metric, const std::string& option, const std::string& text,
              Number least, Number most) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stopped == end && value >= least && value <= most) return value;
  throw std::invalid_argument(
      fmt::format("metric \"{}\": {}: expected a number from {} to {}, got "
                  "\"{}\"",
                  metric, option, least, most, text));
}

void set_option(const Row& row, const std::string& option, const std::string& value,
                Metric& metric) {
  const std::string& who = row.names.front();
  if (option == "name" && !value.empty()) {
    metric.name = value;
    return;
  }
  if (std::find(row.options.begin(), row.options.end(), option) == row.options.end()) {
    std::string known = "name";
    for (const std::string& other : row.options) known += ", " + other;
    throw std::invalid_argument(
        fmt::format("metric \"{}\": option \"{}\" is not known; it has {}", who, option, known));
  }
  constexpr int64_t kMostClasses = 1 << 30, kMostThresholds = 10000;
  if (option == "threshold") {
    metric.threshold = number<float>(who, option, value, 0, 1);
  } else if (option == "k") {
    metric.k = number<int64_t>(who, option, value, 1, kMostClasses);
  } else if (option == "class_id") {
    metric.class_id = number<int64_t>(who, option, value, 0, kMostClasses);
  } else if (option == "num_thresholds") {
    metric.thresholds = number<int64_t>(who, option, value, 3, kMostThresholds);
  } else if (value == "ROC" || value == "PR") {
    metric.of_precision_and_recall = value == "PR";
  } else {
    throw std::invalid_argument(
        fmt::format("metric \"{}\": curve: expected ROC or PR, got \"{}\"", who, value));
  }
}

}  // namespace

std::vector<std::string> split_metrics(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : (c == ')' ? -1 : 0);
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
  Metric metric{.kind = row.kind};
  // Keras shows a function's name as it was typed, and a class' own.
  metric.name =
      std::isupper(static_cast<unsigned char>(name.front())) != 0 ? row.names.front() : name;
  if (bracket == std::string::npos) return metric;
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
    set_option(row, trimmed(option.substr(0, equals)), trimmed(option.substr(equals + 1)), metric);
  }
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
