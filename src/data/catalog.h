// Datasets by name: finds, downloads or makes them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

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
  // How many generated digits, where there are any.
  int64_t digits_to_train = 60000;
  int64_t digits_to_test = 10000;
};

// `name` is one of
//   mnist, fashion_mnist   see load_published()
//   digits                 generated digits, as many as `options` says, seed 1
//   csv:TRAIN[,TEST]       CSV files (data/csv.h); without TEST, the last seventh is the test set
//   PATH.csv, PATH.csv.gz  the same as csv:PATH
//   a folder               with four IDX files named as MNIST's, plain or .gz; as many classes as
//                          their labels have
// INVALID_ARGUMENT, listing these, for any other name; otherwise as the reader says.
Result<TrainTest> load_dataset(const std::string& name, const std::string& data_dir,
                               const LoadOptions& options = {});

// Looks in `data_dir` (unless empty), $SLUICE_DATA_DIR and the user's cache, then downloads into
// the cache unless $SLUICE_OFFLINE is set. In the two folders, either the files themselves or a
// folder named after the dataset. NOT_FOUND for a `data_dir` that is no folder. Files that are
// found but damaged or incomplete are an error, never passed over. When there is nothing and no
// mirror can be reached: generated digits, whose name says so, and a warning of several lines that
// says where it has looked.
Result<TrainTest> load_published(const PublishedDataset& dataset, const std::string& data_dir,
                                 const LoadOptions& options = {});

}  // namespace sluice::data
