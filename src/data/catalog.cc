#include "data/catalog.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "core/alternatives.h"
#include "core/log.h"
#include "data/csv.h"
#include "data/digits.h"
#include "data/download.h"
#include "data/idx.h"
#include "data/records.h"

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
    return data_loss(paths[kTestImages] + ": expected images of " +
                     train->info().sample_shape.to_string() + " as in " + paths[kTrainImages] +
                     ", found " + test->info().sample_shape.to_string() +
                     ": get the files from the same place");
  }
  SLUICE_LOG(info, "{}: {} + {} records from {}", dataset.name, train->info().records,
             test->info().records, fs::path(paths[kTrainImages]).parent_path().string());
  return TrainTest{.train = Dataset(train), .test = Dataset(test)};
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
  say(dataset.name + " was not found: training on GENERATED DIGITS instead.");
  say("Accuracies below say nothing about " + dataset.name + ". Looked in:");
  for (const std::string& place : looked) say("  " + place);
  std::istringstream lines(mirrors);
  for (std::string line; std::getline(lines, line);) say("  " + line);
  say("To train on it, put its four files (" + dataset.files[kTrainImages].name +
      "[.gz], ...) into a folder and name that by --data-dir or SLUICE_DATA_DIR.");
  say(rule);
}

// As many classes as the labels of both sets have.
TrainTest with_classes_of_labels(const TrainTest& sets) {
  int32_t largest = 0;
  for (const Dataset* set : {&sets.train, &sets.test}) {
    for (int32_t label : set->records()->labels()) largest = std::max(largest, label);
  }
  const auto relabelled = [largest](const Dataset& set) {
    RecordsInfo info = set.records()->info();
    info.classes = largest + 1;
    return Dataset(set.records()->with_info(std::move(info)));
  };
  return {.train = relabelled(sets.train), .test = relabelled(sets.test)};
}

Result<TrainTest> load_csv(const std::string& train_path, const std::string& test_path) {
  SLUICE_ASSIGN_OR_RETURN(RecordsPtr train, read_csv(train_path));
  RecordsPtr test;
  if (test_path.empty()) {
    const int64_t n = train->info().records;
    if (n < 2) {
      return invalid_argument(train_path +
                              ": expected at least 2 records, to train and to test "
                              "with, found " +
                              std::to_string(n));
    }
    const int64_t held_out = std::max<int64_t>(1, n / 7);
    test = train->slice(n - held_out, held_out);
    train = train->slice(0, n - held_out);
  } else {
    SLUICE_ASSIGN_OR_RETURN(test, read_csv_like(test_path, train->info()));
  }
  return with_classes_of_labels({.train = Dataset(train), .test = Dataset(test)});
}

Result<TrainTest> load_folder(const std::string& folder) {
  const fs::path path = fs::path(folder).lexically_normal();
  PublishedDataset dataset =
      idx_folder((path.has_filename() ? path : path.parent_path()).filename().string());
  dataset.classes = 256;  // as many as a byte can tell
  SLUICE_ASSIGN_OR_RETURN(const auto paths, find_in_folder(dataset, folder));
  if (paths) {
    SLUICE_ASSIGN_OR_RETURN(const TrainTest sets, read_published(dataset, *paths));
    return with_classes_of_labels(sets);
  }
  return not_found(folder + ": expected " + dataset.files[kTrainImages].name +
                   "[.gz] and the other three IDX files there, found none");
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

Result<TrainTest> load_csv_pair(const Request& request) {
  const std::string paths = request.name.substr(kCsvPrefix.size());
  const size_t comma = paths.find(',');
  return load_csv(paths.substr(0, comma),
                  comma == std::string::npos ? "" : paths.substr(comma + 1));
}

// "fashion-mnist" is fashion_mnist.
bool is_called(std::string_view what, const std::string& name) {
  std::string known = name;
  std::replace(known.begin(), known.end(), '-', '_');
  return known == what;
}
bool is_csv_pair(std::string_view, const std::string& name) { return name.starts_with(kCsvPrefix); }
bool is_csv_file(std::string_view, const std::string& name) {
  return name.ends_with(".csv") || name.ends_with(".csv.gz");
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
    {"a .csv file", is_csv_file, [](const Request& r) { return load_csv(r.name, ""); }},
    {"a folder with IDX files", is_folder, [](const Request& r) { return load_folder(r.name); }}};

}  // namespace

Result<TrainTest> load_published(const PublishedDataset& dataset, const std::string& data_dir,
                                 const LoadOptions& options) {
  std::vector<std::string> looked;
  std::error_code not_there;
  if (!data_dir.empty() && !fs::is_directory(data_dir, not_there)) {
    return not_found(data_dir + ": no such folder to look for " + dataset.name + " in");
  }
  const char* environment = std::getenv("SLUICE_DATA_DIR");
  for (const std::string& place : {data_dir, std::string(environment ? environment : "")}) {
    if (place.empty()) continue;
    SLUICE_ASSIGN_OR_RETURN(const auto paths, find_in_place(dataset, place));
    if (paths) return read_published(dataset, *paths);
    std::error_code ignored;
    looked.push_back(place + (fs::is_directory(place, ignored) ? "" : " (no such folder)"));
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
  warn_of_digits(dataset, looked, mirrors, options);
  return generated_digits(options.digits_to_train, options.digits_to_test);
}

Result<TrainTest> load_dataset(const std::string& name, const std::string& data_dir,
                               const LoadOptions& options) {
  for (const Form& form : kForms) {
    if (form.covers(form.what, name)) return form.load({name, data_dir, options});
  }
  return invalid_argument("dataset \"" + name + "\": expected " +
                          core::alternatives(kForms, [](const Form& form) { return form.what; }));
}

}  // namespace sluice::data
