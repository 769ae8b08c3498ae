// Labelled records to train on: images with class numbers. Immutable and cheap to copy (a handle).
//
// Records are kept as they were stored (one byte per pixel, or floats), mapped from files where
// that is possible, and become floats only batch by batch: an image's byte b as b / 255, other
// numbers as they are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sluice/shape.h"

namespace sluice {

namespace data {
class Records;
}

class Dataset {
 public:
  // `x` is [n, sample_shape...] row-major, `labels` the n class numbers from 0 to classes - 1.
  // Throws std::invalid_argument when the sizes do not agree or a label is out of range.
  static Dataset from_arrays(std::span<const float> x, std::span<const int32_t> labels,
                             const Shape& sample_shape, int classes);

  explicit Dataset(std::shared_ptr<const data::Records> records);

  int64_t size() const;               // records
  const Shape& sample_shape() const;  // without the batch: [28, 28, 1]
  int classes() const;
  const std::string& name() const;  // "mnist", "generated digits", a file's name

  // Keras' validation_split: the first floor(size * (1 - fraction)) records to train on, the rest
  // for validation, before any shuffling. Throws std::invalid_argument unless both parts get at
  // least one record.
  std::pair<Dataset, Dataset> split(double fraction) const;

  // For Sluice's own code.
  const std::shared_ptr<const data::Records>& records() const { return records_; }

 private:
  std::shared_ptr<const data::Records> records_;
};

// A dataset as it is usually published.
struct TrainTest {
  Dataset train;
  Dataset test;
};

struct DatasetOptions {
  // Where to look first: the files themselves, or a folder in it named after the dataset.
  // Empty: $SLUICE_DATA_DIR, then the user's cache, then the network, then generated digits.
  std::string data_dir = {};
};

// Handwritten digits (LeCun, Cortes, Burges), 60,000 + 10,000 of 28 x 28, ten classes. Looks in
// data_dir, $SLUICE_DATA_DIR and the user's cache, then downloads into the cache and checks the
// files' SHA-256. Without any of these, generated digits, and says so on standard error.
// Throws RuntimeError for files that are there but damaged.
TrainTest mnist(const DatasetOptions& options = {});

// Articles of clothing (Zalando SE, 2017), in the same format, found in the same way.
TrainTest fashion_mnist(const DatasetOptions& options = {});

// Digits drawn from strokes with random affine changes and noise; the same for the same seed, on
// every machine. A linear model tells about 81 % of them, a CNN more than 99 %.
TrainTest generated_digits(int64_t train_records = 60000, int64_t test_records = 10000,
                           uint64_t seed = 1);

// "mnist", "fashion_mnist", "digits" (generated), "csv:TRAIN[,TEST]", a path to a .csv or .csv.gz
// file, or a folder with IDX files named as MNIST's. A CSV file has a header with a column "label",
// and numbers without quotes; 784 other columns are the bytes of a 28 x 28 image, any other number
// of columns is taken as it is. Without TEST its last seventh is the test set. Throws RuntimeError
// for files that are missing or damaged and for any other name.
TrainTest load_dataset(const std::string& name, const DatasetOptions& options = {});

}  // namespace sluice
