#include "cli/job_data.h"

#include <fmt/format.h>

#include <optional>
#include <stdexcept>

#include "cli/model_flags.h"
#include "data/catalog.h"
#include "train/adopted_training.h"
#include "train/fits.h"
#include "train/objective.h"
#include "train/scaling.h"
#include "train/tasks.h"

namespace sluice::cli {
namespace {

// A table is read as the model knows it, where it does: its columns may come in any order.
data::LoadOptions load_options(const train::JobConfig& config, bool target_is_given,
                               const Model& model) {
  data::LoadOptions options;
  options.csv.target = config.target;
  options.csv.ignored = train::ignored_columns(config);
  options.csv.weights = config.sample_weights;
  const bool numbers = train::predicts_numbers(model, config.loss);
  if (numbers) options.csv.means = data::CsvOptions::Means::kNumbers;
  options.seed = config.seed;
  const auto& known = model.preprocessing();
  if (known && !known->columns.empty()) {
    options.like = data::records_like(
        *known, numbers ? 0 : static_cast<int>(model.output_shapes().front().dims().back()));
    if (target_is_given) options.like->table.target = config.target;
    options.like->table.weights = config.sample_weights;
    for (const std::string& name : options.csv.ignored) {
      options.like->table.ignored.push_back(name);
    }
  }
  return options;
}

// With the scale that is asked for, or the one that the model was trained with. A table that the
// model does not know is scaled by its own rule, where its numbers are no pixels.
void set_scale(const train::JobConfig& config, Model& model, TrainTest& sets) {
  const auto& known = model.preprocessing();
  const data::RecordsInfo& info = sets.train.records()->info();
  std::optional<float> scale;
  if (!config.scale.empty()) {
    scale = train::parse_scale(config.scale);
  } else if (known && (info.scale != 1 || known->columns == info.table.columns)) {
    scale = known->scale;
  }
  if (scale) {
    sets = {sets.train.with_scale(*scale), sets.test.with_scale(*scale)};
    // It is known from now on.
    model.set_preprocessing(data::preprocessing_of(sets.train.records()->info()));
  }
  if (const auto twice = train::scaled_twice(model, sets.train.records()->info())) {
    throw train::InvalidField("dataset", *twice + "; " + kScaleAdvice);
  }
}

// Before the members of the job are started: a loss that nobody gave is said to be the file's.
void check_adopted(const train::JobConfig& config, const std::set<std::string>& adopted,
                   const Model& model, const Dataset& data) {
  if (!adopted.contains("loss")) return;
  const data::RecordsInfo& info = data.records()->info();
  try {
    train::check_fits(model, info, train::tasks_of(model, info, train::objective_of(config)));
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(
        fmt::format("{}; the loss is that of {}: give another one with --loss, or another dataset",
                    error.what(), config.model));
  }
}

}  // namespace

void refuse(const char* field, const Status& why) {
  throw train::InvalidField(field, train::without_name(field, why.message()));
}

TrainTest load_job_data(train::JobConfig& config, const std::set<std::string>& given,
                        const std::set<std::string>& adopted, Model& model) {
  auto data = data::load_dataset(config.dataset, config.data_dir,
                                 load_options(config, given.contains("target"), model));
  if (!data.ok()) refuse("dataset", data.status());
  set_scale(config, model, *data);
  if (adopted.contains("metrics")) {
    train::leave_out_unfit_metrics(model, data->train.records()->info(), config);
  }
  check_adopted(config, adopted, model, data->train);
  const Status weighted = data::add_weights(config.sample_weights, *data);
  if (!weighted.ok()) refuse("sample_weights", weighted);
  return *std::move(data);
}

}  // namespace sluice::cli
