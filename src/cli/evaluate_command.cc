// `sluice evaluate`: a model's file measured on a dataset.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/evaluation_text.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "core/json_text.h"
#include "core/standard_error.h"
#include "data/catalog.h"
#include "nn/metrics.h"
#include "nn/model_impl.h"
#include "train/adopted_training.h"
#include "train/fits.h"
#include "train/job_config.h"
#include "train/scaling.h"

namespace sluice::cli {
namespace {

constexpr const char* kMatrix = "confusion_matrix";
constexpr int kMostClasses = 256;  // that a confusion matrix has

struct EvaluateFlags {
  ModelFlags model;
  std::string dataset, data_dir, target, ignored, sample_weights;
  std::string loss, metrics;
  int64_t batch_size = 128;
  int threads = 0;
  std::string device = "auto";
  bool json = false;
};

std::optional<LossSpec> loss_of(const EvaluateFlags& flags, const Model& model) {
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

data::LoadOptions load_options(const EvaluateFlags& flags, bool numbers) {
  data::LoadOptions options;
  if (!flags.target.empty()) options.csv.target = flags.target;
  options.csv.ignored = train::split_at_commas(flags.ignored);
  options.csv.weights = flags.sample_weights;
  if (numbers) options.csv.means = data::CsvOptions::Means::kNumbers;
  return options;
}

// Images are multiplied by what the model was trained with, whatever the dataset's own habit.
Dataset load(const EvaluateFlags& flags, const Model& model, bool numbers) {
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
std::vector<std::string> metrics_of(const EvaluateFlags& flags, const Model& model,
                                    const Dataset& data) {
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

int evaluate(const EvaluateFlags& flags) {
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
  if (flags.metrics.empty()) {
    options.metrics = train::fitting_metrics(model, data.records()->info(),
                                             train::objective_of(options, model), flags.model.file);
  }
  Evaluation evaluation{.metrics = model.evaluate(data, options),
                        .records = data.size(),
                        .dataset = data.name(),
                        .class_names = data.class_names(),
                        .shows_matrices = flags.metrics.find(kMatrix) != std::string::npos};
  if (evaluation.class_names.empty() && model.preprocessing()) {
    evaluation.class_names = model.preprocessing()->class_names;
  }
  const std::string text = flags.json ? json_of(evaluation) : text_of(evaluation);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

Command add_evaluate_command(CLI::App& app) {
  auto flags = std::make_shared<EvaluateFlags>();
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
