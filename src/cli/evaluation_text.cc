#include "cli/evaluation_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/count_text.h"
#include "core/json_text.h"
#include "core/printable.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

// Of one class, of all records: p is precision, r recall.
struct ClassFigures {
  std::string name;
  int64_t records = 0;
  double precision = 0, recall = 0, f1 = 0;
  int64_t confused = -1, times = 0;  // the class that it was most often taken for; -1: none
};

std::string name_of_class(const std::vector<std::string>& names, int64_t number) {
  const auto place = static_cast<size_t>(number);
  return place < names.size() ? core::printable(names[place]) : std::to_string(number);
}

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::vector<ClassFigures> figures_of(const ConfusionMatrix& matrix,
                                     const std::vector<std::string>& names) {
  std::vector<ClassFigures> figures;
  const auto count = [&](int64_t of, int64_t as) {
    return matrix.counts[static_cast<size_t>(of * matrix.classes + as)];
  };
  for (int64_t c = 0; c < matrix.classes; ++c) {
    ClassFigures one{.name = name_of_class(names, c)};
    int64_t predicted = 0;
    for (int64_t other = 0; other < matrix.classes; ++other) {
      one.records += count(c, other);
      predicted += count(other, c);
      if (other != c && count(c, other) > one.times) {
        one.times = count(c, other);
        one.confused = other;
      }
    }
    one.precision = ratio(count(c, c), predicted);
    one.recall = ratio(count(c, c), one.records);
    const double sum = one.precision + one.recall;
    one.f1 = sum == 0 ? 0 : 2 * one.precision * one.recall / sum;
    figures.push_back(one);
  }
  return figures;
}

// Without what nobody asked for; names and numbers in their order.
std::vector<std::pair<std::string, double>> listed(const Metrics& metrics) {
  std::vector<std::pair<std::string, double>> list = {{"loss", metrics.loss}};
  if (!std::isnan(metrics.accuracy)) list.emplace_back("accuracy", metrics.accuracy);
  list.insert(list.end(), metrics.values.begin(), metrics.values.end());
  return list;
}

// A row for the records of each class, a column for what they were taken for.
std::string table_of(const ConfusionMatrix& matrix, const std::vector<std::string>& class_names) {
  std::vector<std::string> names;
  size_t width = 0;
  for (int i = 0; i < static_cast<int>(matrix.classes); ++i) {
    names.push_back(name_of_class(class_names, i));
    width = std::max(width, names.back().size());
  }
  for (const int64_t count : matrix.counts) {
    width = std::max(width, core::with_separators(count).size());
  }
  std::string text =
      fmt::format("\n  Records of each class, by what they were taken for:\n  {:{}}", "", width);
  for (const std::string& name : names) text += fmt::format("  {:>{}}", name, width);
  for (size_t i = 0; i < matrix.counts.size(); ++i) {
    const size_t column = i % static_cast<size_t>(matrix.classes);
    if (column == 0) {
      text += fmt::format("\n  {:<{}}", names[i / static_cast<size_t>(matrix.classes)], width);
    }
    text += fmt::format("  {:>{}}", core::with_separators(matrix.counts[i]), width);
  }
  return text + "\n";
}

}  // namespace

std::string text_of(const Evaluation& evaluation) {
  std::string text = fmt::format(
      "{} of {}\n", core::counted(evaluation.records, "record", "records"), evaluation.dataset);
  const auto list = listed(evaluation.metrics);
  size_t width = 0;
  for (const auto& [name, value] : list) width = std::max(width, name.size());
  for (const auto& [name, value] : list)
    text += fmt::format("  {:<{}}  {:.4f}\n", name, width, value);
  for (const ConfusionMatrix& matrix : evaluation.metrics.matrices) {
    const auto figures = figures_of(matrix, evaluation.class_names);
    size_t names = 5;
    for (const ClassFigures& one : figures) names = std::max(names, one.name.size());
    text += fmt::format("\n  {:<{}}  {:>9}  precision  recall  f1      most often taken for\n",
                        "class", names, "records");
    for (const ClassFigures& one : figures) {
      text += fmt::format("  {:<{}}  {:>9}  {:.4f}     {:.4f}  {:.4f}", one.name, names,
                          core::with_separators(one.records), one.precision, one.recall, one.f1);
      if (one.confused >= 0) {
        text += fmt::format("  {} ({})", name_of_class(evaluation.class_names, one.confused),
                            core::counted(one.times, "time", "times"));
      }
      text += "\n";
    }
    if (evaluation.shows_matrices) text += table_of(matrix, evaluation.class_names);
  }
  return text;
}

std::string json_of(const Evaluation& evaluation) {
  Json json = {{"dataset", evaluation.dataset}, {"records", evaluation.records}};
  for (const auto& [name, value] : listed(evaluation.metrics)) json[name] = value;
  for (const ConfusionMatrix& matrix : evaluation.metrics.matrices) {
    Json classes = Json::array(), rows = Json::array();
    for (const ClassFigures& one : figures_of(matrix, evaluation.class_names)) {
      classes.push_back({{"class", one.name},
                         {"records", one.records},
                         {"precision", one.precision},
                         {"recall", one.recall},
                         {"f1", one.f1}});
    }
    for (auto row = matrix.counts.begin(); row != matrix.counts.end(); row += matrix.classes) {
      rows.push_back(std::vector<int64_t>(row, row + matrix.classes));
    }
    json["classes"] = classes;
    json[matrix.name] = rows;
  }
  return core::json_text(json, 2) + "\n";
}

}  // namespace sluice::cli
