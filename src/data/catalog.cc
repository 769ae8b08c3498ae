#include "data/catalog.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "core/alternatives.h"
#include "core/log.h"
#include "data/csv.h"
#include "data/csv_cells.h"
#include "data/digits.h"
#include "data/download.h"
#include "data/idx.h"
#include "data/records.h"
#include "data/weights_file.h"

namespace sluice::data {
namespace {

namespace fs = std::filesystem;
using RecordsPtr = std::shared_ptr<const Records>;

Result<TrainTest> read_published(const PublishedDataset& dataset, const PublishedPaths& paths) {
  const IdxOptions options{.name = dataset.name, .classes = dataset.classes};
  SLUICE_ASSIGN_OR_RETURN(RecordsPtr train,
                          read_idx(paths[kTrainImages], paths[kTrainLabels], options));
  SLUICE_ASSIGN_OR_RETURN(RecordsPtr test,
                          read_idx(paths[kTestImages], paths[kTestLabels], options));
  if (train->info().sample_shape != test->info().sample_shape) {
    return data_loss(fmt::format(
        "{}: expected images of {} as in {}, found {}: get the files from the same place",
        paths[kTestImages], train->info().sample_shape.to_string(), paths[kTrainImages],
        test->info().sample_shape.to_string()));
  }
  SLUICE_LOG(info, "{}: {} + {} records from {}", dataset.name, train->info().records,
             test->info().records, fs::path(paths[kTrainImages]).parent_path().string());
  return TrainTest{.train = Dataset(train), .test = Dataset(test)};
}

// A folder that somebody names is there: what follows would be a surprise. `what` names it.
Status check_folder(const std::string& what, const std::string& folder) {
  std::error_code ignored;
  if (folder.empty() || fs::is_directory(folder, ignored)) return ok_status();
  return not_found(fmt::format("{}: {} is no folder that is there", what, folder));
}

std::string advice(const PublishedDataset& dataset) {
  return fmt::format(
      "put its four files ({}[.gz], ...) into a folder and name that by --data-dir or "
      "SLUICE_DATA_DIR",
      dataset.files[kTrainImages].name);
}

Status nowhere(const PublishedDataset& dataset, const std::vector<std::string>& looked,
               std::string mirrors) {
  std::string places;
  for (const std::string& place : looked) places += place + ", ";
  std::replace(mirrors.begin(), mirrors.end(), '\n', ',');
  return not_found(fmt::format("{} was not found (looked in {}{}): {}", dataset.name, places,
                               mirrors, advice(dataset)));
}

// `looked`: where, a line each; `mirrors`: why each failed, a line each.
void warn_of_digits(const PublishedDataset& dataset, const std::vector<std::string>& looked,
                    const std::string& mirrors, const LoadOptions& options) {
  const auto say = [&](const std::string& line) {
    if (options.warn) {
      options.warn(line);
    } else {
      SLUICE_LOG(warn, "{}", line);
    }
  };
  const std::string rule(72, '*');
  say(rule);
  say(fmt::format("{} was not found: training on GENERATED DIGITS instead.", dataset.name));
  say(fmt::format("Accuracies below say nothing about {}. Looked in:", dataset.name));
  for (const std::string& place : looked) say("  " + place);
  std::istringstream lines(mirrors);
  for (std::string line; std::getline(lines, line);) say("  " + line);
  say(fmt::format("To train on it, {}.", advice(dataset)));
  say(rule);
}

// As many classes as both sets together have.
TrainTest with_common_classes(const RecordsPtr& train, const RecordsPtr& test) {
  const RecordsInfo& most =
      test->info().classes > train->info().classes ? test->info() : train->info();
  const auto with = [&most](const RecordsPtr& records) {
    RecordsInfo info = records->info();
    if (info.classes < most.classes) info.classes_origin = most.origin;
    info.classes = most.classes;
    return Dataset(records->with_info(std::move(info)));
  };
  return {.train = with(train), .test = with(test)};
}

RecordsPtr with_classes_of_labels(const Dataset& set) {
  const auto labels = set.records()->labels();
  RecordsInfo info = set.records()->info();
  info.classes = *std::max_element(labels.begin(), labels.end()) + 1;
  return set.records()->with_info(std::move(info));
}

// Weights that are asked for by their column's name, of a table that is read as another.
Status check_has_weights(const Records& records, const std::string& name) {
  const TableInfo& table = records.info().table;
  if (name.empty() || !table.weights.empty()) return ok_status();
  return invalid_argument(
      fmt::format("{}: line 1: has no column {} of weights", records.info().name, excerpt(name)));
}

Result<TrainTest> load_csv(const std::string& train_path, const std::string& test_path,
                           const LoadOptions& options) {
  const RecordsInfo* like = options.like ? &*options.like : nullptr;
  if (test_path.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const auto parts, read_csv_parts(train_path, options.csv, options.seed,
                                                             like, OtherColumns::kPassedOver));
    SLUICE_RETURN_IF_ERROR(check_has_weights(*parts.first, options.csv.weights));
    return with_common_classes(parts.first, parts.second);
  }
  if (like != nullptr) {
    SLUICE_ASSIGN_OR_RETURN(const RecordsPtr train,
                            read_csv_like(train_path, *like, OtherColumns::kPassedOver));
    SLUICE_RETURN_IF_ERROR(check_has_weights(*train, options.csv.weights));
    SLUICE_ASSIGN_OR_RETURN(const RecordsPtr test,
                            read_csv_like(test_path, *like, OtherColumns::kPassedOver));
    return with_common_classes(train, test);
  }
  SLUICE_ASSIGN_OR_RETURN(const RecordsPtr train, read_csv(train_path, options.csv));
  SLUICE_ASSIGN_OR_RETURN(const RecordsPtr test, read_csv_like(test_path, train->info()));
  return with_common_classes(train, test);
}

PublishedDataset own_folder(const std::string& folder) {
  const fs::path path = fs::path(folder).lexically_normal();
  PublishedDataset dataset =
      idx_folder((path.has_filename() ? path : path.parent_path()).filename().string());
  dataset.classes = 256;  // as many as a byte can tell
  return dataset;
}

// Records to measure a model with need not have its last classes.
Dataset with_classes_of_model(const RecordsPtr& records, int classes) {
  RecordsInfo info = records->info();
  if (info.classes > 0) info.classes = std::max(info.classes, classes);
  return Dataset(records->with_info(std::move(info)));
}

Result<Dataset> load_test_of_folder(const std::string& folder, int classes) {
  const PublishedDataset dataset = own_folder(folder);
  SLUICE_ASSIGN_OR_RETURN(const auto paths, find_in_folder(dataset, folder, kTestImages));
  if (!paths) {
    return not_found(fmt::format("{}: expected {}[.gz] and {}[.gz] there, found neither", folder,
                                 dataset.files[kTestImages].name, dataset.files[kTestLabels].name));
  }
  const IdxOptions options{.name = dataset.name, .classes = dataset.classes};
  SLUICE_ASSIGN_OR_RETURN(const RecordsPtr test,
                          read_idx((*paths)[kTestImages], (*paths)[kTestLabels], options));
  return with_classes_of_model(with_classes_of_labels(Dataset(test)), classes);
}

Result<TrainTest> load_folder(const std::string& folder) {
  const PublishedDataset dataset = own_folder(folder);
  SLUICE_ASSIGN_OR_RETURN(const auto paths, find_in_folder(dataset, folder));
  if (paths) {
    SLUICE_ASSIGN_OR_RETURN(const TrainTest sets, read_published(dataset, *paths));
    return with_common_classes(with_classes_of_labels(sets.train),
                               with_classes_of_labels(sets.test));
  }
  return not_found(
      fmt::format("{}: expected {}[.gz] and the other three IDX files there, found none", folder,
                  dataset.files[kTrainImages].name));
}

// What load_dataset() is asked for.
struct Request {
  const std::string& name;
  const std::string& data_dir;
  const LoadOptions& options;
};

Result<TrainTest> load_mnist(const Request& request) {
  return load_published(mnist_files(), request.data_dir, request.options);
}

Result<TrainTest> load_fashion_mnist(const Request& request) {
  return load_published(fashion_mnist_files(), request.data_dir, request.options);
}

Result<TrainTest> load_digits(const Request& request) {
  return generated_digits(request.options.digits_to_train, request.options.digits_to_test);
}

constexpr std::string_view kCsvPrefix = "csv:";

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Of TRAIN[,TEST], TEST empty where there is none. A path may have commas of its own: the first
// comma that parts two files that are there.
std::pair<std::string, std::string> split_csv_pair(const std::string& paths) {
  if (is_file(paths)) return {paths, ""};
  const auto at = [&](size_t comma) {
    return std::pair(paths.substr(0, comma), paths.substr(comma + 1));
  };
  const size_t first = paths.find(',');
  for (size_t comma = first; comma != std::string::npos; comma = paths.find(',', comma + 1)) {
    if (is_file(at(comma).first) && is_file(at(comma).second)) return at(comma);
  }
  return first == std::string::npos ? std::pair(paths, std::string()) : at(first);
}

Status check_csv_pair(const std::string& name, const std::string& paths) {
  if (!paths.empty() && paths.front() != ',' && paths.back() != ',') return ok_status();
  return invalid_argument(fmt::format(
      "\"{}\": expected csv:TRAIN or csv:TRAIN,TEST, and one of the paths is empty", name));
}

Result<TrainTest> load_csv_pair(const Request& request) {
  const std::string paths = request.name.substr(kCsvPrefix.size());
  SLUICE_RETURN_IF_ERROR(check_csv_pair(request.name, paths));
  const auto [train, test] = split_csv_pair(paths);
  return load_csv(train, test, request.options);
}

// "fashion-mnist" is fashion_mnist.
bool is_called(std::string_view what, const std::string& name) {
  std::string known = name;
  std::replace(known.begin(), known.end(), '-', '_');
  return known == what;
}
bool is_csv_pair(std::string_view, const std::string& name) { return name.starts_with(kCsvPrefix); }
bool is_csv_file(std::string_view, const std::string& name) {
  for (const char* end : {".csv", ".csv.gz", ".tsv", ".tsv.gz"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}
bool is_folder(std::string_view, const std::string& name) {
  std::error_code ignored;
  return fs::is_directory(name, ignored);
}

// What a dataset may be called. The first form that covers a name loads it.
struct Form {
  const char* what;  // for messages
  bool (*covers)(std::string_view what, const std::string& name);
  Result<TrainTest> (*load)(const Request& request);
};
constexpr Form kForms[] = {
    {"mnist", is_called, load_mnist},
    {"fashion_mnist", is_called, load_fashion_mnist},
    {"digits", is_called, load_digits},
    {"csv:TRAIN[,TEST]", is_csv_pair, load_csv_pair},
    {"a .csv file", is_csv_file, [](const Request& r) { return load_csv(r.name, "", r.options); }},
    {"a folder with IDX files", is_folder, [](const Request& r) { return load_folder(r.name); }}};

const Form* find_form(const std::string& name) {
  const auto* const form =
      std::ranges::find_if(kForms, [&](const Form& one) { return one.covers(one.what, name); });
  return form == std::end(kForms) ? nullptr : form;
}

// "as they are", "each / 255", "each times 0.1"
std::string times_text(float scale) {
  if (scale == 1) return "as they are";
  return scale == 1.0f / 255 ? "each / 255" : fmt::format("each times {:g}", scale);
}

// What is asked of columns needs some.
Status check_has_columns(const std::string& name, const TrainTest& sets, const CsvOptions& csv) {
  const CsvOptions none;
  if (!sets.train.records()->info().table.columns.empty()) return ok_status();
  if (!csv.ignored.empty()) {
    return invalid_argument(
        fmt::format("dataset \"{}\" has no columns, of which {} could be ignored: only CSV files "
                    "have",
                    name, list_names(csv.ignored)));
  }
  if (csv.target == none.target) return ok_status();
  return invalid_argument(
      fmt::format("dataset \"{}\" has no columns, of which one could be the target {}: only CSV "
                  "files have",
                  name, csv.target));
}

}  // namespace

Result<TrainTest> load_published(const PublishedDataset& dataset, const std::string& data_dir,
                                 const LoadOptions& options) {
  std::vector<std::string> looked;
  SLUICE_RETURN_IF_ERROR(check_folder("data_dir", data_dir));
  const char* environment = std::getenv("SLUICE_DATA_DIR");
  const std::string named = environment != nullptr ? environment : "";
  SLUICE_RETURN_IF_ERROR(check_folder("SLUICE_DATA_DIR", named));
  for (const std::string& place : {data_dir, named}) {
    if (place.empty()) continue;
    SLUICE_ASSIGN_OR_RETURN(const auto paths, find_in_place(dataset, place));
    if (paths) return read_published(dataset, *paths);
    looked.push_back(place);
  }
  const std::string cache = cache_folder() + "/" + dataset.name;
  SLUICE_ASSIGN_OR_RETURN(const auto cached, find_downloaded(dataset, cache));
  if (cached) return read_published(dataset, *cached);
  looked.push_back(cache);
  std::string mirrors = "not the network: SLUICE_OFFLINE is set";
  if (!is_offline()) {
    const auto own = options.fetcher == nullptr ? make_curl_fetcher() : nullptr;
    const auto paths = download(dataset, cache, own != nullptr ? *own : *options.fetcher);
    if (paths.ok()) return read_published(dataset, *paths);
    if (paths.status().code() != StatusCode::kUnavailable) return paths.status();
    mirrors = paths.status().message();
  }
  if (!dataset.digits_stand_in) return nowhere(dataset, looked, mirrors);
  warn_of_digits(dataset, looked, mirrors, options);
  return generated_digits(options.digits_to_train, options.digits_to_test);
}

Result<TrainTest> load_dataset(const std::string& name, const std::string& data_dir,
                               const LoadOptions& options) {
  SLUICE_RETURN_IF_ERROR(check_folder("data_dir", data_dir));
  const Form* form = find_form(name);
  if (form == nullptr) {
    return invalid_argument(
        fmt::format("dataset \"{}\": expected {}", name,
                    core::alternatives(kForms, [](const Form& one) { return one.what; })));
  }
  SLUICE_ASSIGN_OR_RETURN(TrainTest sets, form->load({name, data_dir, options}));
  SLUICE_RETURN_IF_ERROR(check_has_columns(name, sets, options.csv));
  return sets;
}

Result<Dataset> load_test_set(const std::string& name, const std::string& data_dir,
                              const LoadOptions& options, const RecordsInfo& like) {
  std::string path = is_csv_file("", name) ? name : "";
  if (is_csv_pair("", name)) {
    const std::string paths = name.substr(kCsvPrefix.size());
    SLUICE_RETURN_IF_ERROR(check_csv_pair(name, paths));
    const auto [train, test] = split_csv_pair(paths);
    path = test.empty() ? train : test;
  }
  const Form* form = find_form(name);
  if (form != nullptr && form->covers == is_folder) {
    SLUICE_RETURN_IF_ERROR(check_folder("data_dir", data_dir));
    SLUICE_ASSIGN_OR_RETURN(const Dataset test, load_test_of_folder(name, like.classes));
    SLUICE_RETURN_IF_ERROR(check_has_columns(name, {.train = test, .test = test}, options.csv));
    return test;
  }
  if (path.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const TrainTest sets, load_dataset(name, data_dir, options));
    return sets.test;
  }
  SLUICE_ASSIGN_OR_RETURN(const RecordsPtr records,
                          like.table.columns.empty()
                              ? read_csv(path, options.csv)
                              : read_csv_like(path, like, OtherColumns::kPassedOver));
  SLUICE_RETURN_IF_ERROR(check_has_weights(*records, options.csv.weights));
  const bool are_named = !records->info().table.class_names.empty();
  return are_named ? Dataset(records) : with_classes_of_model(records, like.classes);
}

Status add_weights(const std::string& path, TrainTest& sets) {
  const Records& train = *sets.train.records();
  if (path.empty() || !train.info().table.columns.empty()) return ok_status();
  SLUICE_ASSIGN_OR_RETURN(auto weights, read_weights(path, train.info().records));
  sets.train = Dataset(train.with_weights(std::move(weights)));
  return ok_status();
}

std::string summary_of_columns(const TrainTest& sets) {
  const RecordsInfo& train = sets.train.records()->info();
  const RecordsInfo& test = sets.test.records()->info();
  const TableInfo& table = train.table;
  if (table.columns.empty()) return "";
  std::string classes = "numbers to predict";
  if (train.classes > 0 && table.class_names.empty()) {
    classes = fmt::format("classes 0 to {}", train.classes - 1);
  } else if (train.classes > 0) {
    classes = fmt::format("{} classes, {}", train.classes, list_names(table.class_names));
  }
  const bool images = train.sample_shape.rank() > 1;
  const std::string weights =
      table.weights.empty() ? "" : "; weights in " + list_names({table.weights});
  return fmt::format(
      "Target {}: {}; {} columns of numbers{}, {}{}{}; {} records to train, {} to test {}",
      list_names({table.target}), classes, table.columns.size(),
      images ? " as images " + train.sample_shape.to_string() : "", times_text(train.scale),
      table.ignored.empty() ? "" : ", without " + list_names(table.ignored), weights, train.records,
      test.records,
      train.source.part.empty() ? "from " + test.origin
                                : fmt::format("drawn by seed {}", train.source.seed));
}

}  // namespace sluice::data
