// Datasets by name: finds, downloads or makes them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "data/csv.h"
#include "data/fetcher.h"
#include "data/published.h"
#include "sluice/dataset.h"
#include "sluice/status.h"

namespace sluice::data {

struct LoadOptions {
  // How to reach the network; nullptr: libcurl. Lent for the call.
  Fetcher* fetcher = nullptr;
  // Gets the warning of generated digits line by line; empty: the log, as warnings.
  std::function<void(const std::string&)> warn;
  // For CSV files: the target, and the seed that draws the part to test with.
  CsvOptions csv{};
  // Of a model that knows its columns: a table is read as it says (records_like()), and others are
  // passed over.
  std::optional<RecordsInfo> like{};
  uint64_t seed = 0;
  // How many digits are generated.
  int64_t digits_to_train = 60000;
  int64_t digits_to_test = 10000;
};

// `name` is one of
//   mnist, fashion_mnist   see load_published()
//   digits                 generated digits, as many as `options` says, seed 1
//   csv:TRAIN[,TEST]       CSV files (data/csv.h); without TEST, a seventh is drawn to test with
//   PATH.csv, PATH.tsv     the same as csv:PATH; also with .gz at the end
//   a folder               with four IDX files named as MNIST's, plain or .gz; as many classes as
//                          their labels have
//
// INVALID_ARGUMENT, listing these, for any other name, and for a target of what has no columns;
// NOT_FOUND for a `data_dir` that is no folder, whatever the dataset; otherwise as the reader says.
Result<TrainTest> load_dataset(const std::string& name, const std::string& data_dir,
                               const LoadOptions& options = {});

// The records to test a model with: TEST of csv:TRAIN,TEST, all of a CSV file that comes alone, the
// test set of any other dataset. A table is read as `like` says where that has columns, and
// others are passed over, else as `options` do. Likewise.
Result<Dataset> load_test_set(const std::string& name, const std::string& data_dir,
                              const LoadOptions& options, const RecordsInfo& like);

// Gives the records to train on the weights in a file (data/weights_file.h). Nothing happens
// without a path, nor to data with columns: options.csv.weights names one of these. As
// read_weights().
Status add_weights(const std::string& path, TrainTest& sets);

// Looks in `data_dir` (unless empty), $SLUICE_DATA_DIR and the user's cache, then downloads into
// the cache unless $SLUICE_OFFLINE is set. In the two folders, either the files themselves or a
// folder named after the dataset. NOT_FOUND for one of these two that is no folder. Files that are
// found but damaged or incomplete are an error, never passed over. When there is nothing and no
// mirror can be reached: where digits can stand in for the dataset, generated ones, whose name says
// so, and a warning of several lines that says where it has looked; else NOT_FOUND.
Result<TrainTest> load_published(const PublishedDataset& dataset, const std::string& data_dir,
                                 const LoadOptions& options = {});

// For records from CSV files one line for people: the target and its classes, the columns, and how
// many records there are to train and to test with. Empty for other records.
std::string summary_of_columns(const TrainTest& sets);

}  // namespace sluice::data
