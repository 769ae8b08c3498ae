// `sluice evaluate`: a model's file measured on a dataset.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "core/count_text.h"
#include "core/json_text.h"
#include "core/printable.h"
#include "core/standard_error.h"
#include "data/catalog.h"
#include "nn/metrics.h"
#include "nn/model_impl.h"
#include "train/fits.h"
#include "train/job_config.h"
#include "train/scaling.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMatrix = "confusion_matrix";
constexpr int kMostClasses = 256;  // that a confusion matrix has

struct Flags {
  ModelFlags model;
  std::string dataset, data_dir, target, ignored, sample_weights;
  std::string loss, metrics;
  int64_t batch_size = 128;
  int threads = 0;
  std::string device = "auto";
  bool json = false;
};

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

struct Evaluation {
  Metrics metrics;
  int64_t records = 0;
  std::string dataset;
  std::vector<std::string> class_names;
  bool shows_matrices = false;  // whole, as somebody asked for
};

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
  std::string text = fmt::format("\n  Records of each class, by what they were taken for:\n  {:{}}",
                                 "", width);
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

// NaN and infinity are null.
Json json_of(const Evaluation& evaluation) {
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
  return json;
}

std::optional<LossSpec> loss_of(const Flags& flags, const Model& model) {
  if (!flags.loss.empty()) return LossSpec(flags.loss);
  if (model.impl().training) return model.impl().training->loss;
  return std::nullopt;
}

// A table as the model was trained on it.
data::RecordsInfo described(const Model& model, bool numbers) {
  const int classes = numbers ? 0 : static_cast<int>(model.output_shapes().front().dims().back());
  const auto& preprocessing = model.preprocessing();
  data::RecordsInfo info;
  if (preprocessing) info = data::records_like(*preprocessing, classes);
  info.classes = classes;
  return info;
}

data::LoadOptions load_options(const Flags& flags, bool numbers) {
  data::LoadOptions options;
  if (!flags.target.empty()) options.csv.target = flags.target;
  options.csv.ignored = train::split_at_commas(flags.ignored);
  options.csv.weights = flags.sample_weights;
  if (numbers) options.csv.means = data::CsvOptions::Means::kNumbers;
  return options;
}

// Images are multiplied by what the model was trained with, whatever the dataset's own habit.
Dataset load(const Flags& flags, const Model& model, bool numbers) {
  data::RecordsInfo like = described(model, numbers);
  if (!flags.target.empty()) like.table.target = flags.target;
  like.table.weights = flags.sample_weights;
  for (const std::string& name : train::split_at_commas(flags.ignored)) {
    like.table.ignored.push_back(name);
  }
  const auto loaded =
      data::load_test_set(flags.dataset, flags.data_dir, load_options(flags, numbers), like);
  if (!loaded.ok()) throw train::InvalidField("dataset", loaded.status().message());
  const auto& preprocessing = model.preprocessing();
  const data::RecordsInfo& info = loaded->records()->info();
  if (const auto twice = train::scaled_twice(model, info)) {
    throw train::InvalidField("dataset", *twice + "; " + kScaleAdvice);
  }
  const bool is_known_table = !like.table.columns.empty();
  if (!preprocessing || (info.source.kind == "csv" && is_known_table)) return *loaded;
  const auto& names = loaded->class_names();
  if (!names.empty() && !preprocessing->class_names.empty() &&
      names != preprocessing->class_names) {
    throw train::InvalidField(
        "dataset", fmt::format("its classes are {}, but the model's {}", fmt::join(names, ", "),
                               fmt::join(preprocessing->class_names, ", ")));
  }
  return preprocessing->scale ? loaded->with_scale(*preprocessing->scale) : *loaded;
}

// With a matrix of what was taken for what, where there are classes.
std::vector<std::string> metrics_of(const Flags& flags, const Model& model, const Dataset& data) {
  std::vector<std::string> metrics = {"accuracy"};
  if (!flags.metrics.empty()) {
    metrics = nn::split_metrics(flags.metrics);
  } else if (model.impl().training && !model.impl().training->metrics.empty()) {
    metrics = model.impl().training->metrics;
  }
  const bool classes = data.classes() > 1 && data.classes() <= kMostClasses;
  if (classes && model.output_shapes().size() == 1 && model.output_shape().rank() == 1 &&
      std::ranges::find(metrics, kMatrix) == metrics.end()) {
    metrics.push_back(kMatrix);
  }
  return metrics;
}

int evaluate(const Flags& flags) {
  const formats::ModelFile file = read_model(flags.model);
  require_weights(file, flags.model);
  const Model& model = file.model;
  const auto loss = loss_of(flags, model);
  const bool numbers = train::predicts_numbers(model, loss.value_or("categorical_crossentropy"));
  const Dataset data = load(flags, model, numbers);
  EvaluateOptions options{.batch_size = flags.batch_size, .loss = loss};
  options.metrics = metrics_of(flags, model, data);
  options.threads = flags.threads;
  options.device = flags.device;
  options.verbose = 1;
  if (flags.loss.empty() && model.impl().training) {
    options.losses = model.impl().training->losses;
    options.loss_weights = model.impl().training->loss_weights;
  }
  Evaluation evaluation{.metrics = model.evaluate(data, options),
                        .records = data.size(),
                        .dataset = data.name(),
                        .class_names = data.class_names(),
                        .shows_matrices = flags.metrics.find(kMatrix) != std::string::npos};
  if (evaluation.class_names.empty() && model.preprocessing()) {
    evaluation.class_names = model.preprocessing()->class_names;
  }
  const std::string text =
      flags.json ? core::json_text(json_of(evaluation), 2) + "\n" : text_of(evaluation);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

Command add_evaluate_command(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("evaluate", "Measures a model on a dataset");
  add_model_file(*command, flags->model);
  const auto text = [&](const char* name, std::string& field, const char* type, const char* help) {
    return command->add_option(name, field, help)->type_name(type);
  };
  text("--dataset", flags->dataset, "NAME",
       "mnist, fashion_mnist, digits, a folder with IDX files, a CSV file, or csv:TRAIN,TEST; its "
       "test set, or all of a file that comes alone")
      ->required();
  text("--data-dir", flags->data_dir, "FOLDER", "where datasets are looked for first");
  text("--target", flags->target, "COLUMN",
       "of a CSV file, to be predicted (otherwise that of the training, or label)");
  text("--ignore", flags->ignored, "COLUMN[,COLUMN...]",
       "of a CSV file, that are no features; where the model's file names its columns, no others "
       "are");
  text("--sample-weights", flags->sample_weights, "COLUMN",
       "of a CSV file, how much each record's loss counts");
  text("--loss", flags->loss, "NAME",
       "(otherwise that of the training, or categorical_crossentropy)");
  text("--metrics", flags->metrics, "NAME[,NAME...]",
       "(otherwise those of the training, or accuracy)");
  add_preprocessing_flags(*command, flags->model);
  add_value(*command, "--batch-size", flags->batch_size, "records at once")->type_name("NUMBER");
  add_value(*command, "--threads", flags->threads, "that compute; 0: all cores")
      ->type_name("NUMBER");
  text("--device", flags->device, "auto|cpu|cuda|cuda:N", "what computes")->capture_default_str();
  command->add_flag("--json", flags->json, "as JSON");
  command->footer(
      fmt::format("Examples:\n"
                  "  sluice evaluate mnist.keras --dataset mnist\n"
                  "  sluice evaluate flowers.h5 --dataset csv:iris.csv --target "
                  "species --json\n"
                  "\n"
                  "Exit status: {}.",
                  kExitStatus));
  return {command, [flags] { return evaluate(*flags); }};
}

}  // namespace sluice::cli
