// Records to train on: images or rows of numbers, each with its target, a class or numbers to
// predict. Immutable and cheap to copy (a handle).
//
// Records are kept as they were stored (one byte per pixel, or floats), in files where that is
// possible, and become floats only batch by batch: an image's byte b as b / 255, other numbers as
// they are. A file that is written to while it is in use is noticed: what reads it throws
// RuntimeError.
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
  // Throws std::invalid_argument when the sizes do not agree, there are no records or a label is
  // out of range.
  static Dataset from_arrays(std::span<const float> x, std::span<const int32_t> labels,
                             const Shape& sample_shape, int classes);
  // For regression: `targets` is [n, K], row-major, the numbers that a model of K outputs is to
  // predict. Throws as above, also when K would be no whole number, and when `sample_shape` is the
  // shape of all of `x`: a single record, with a target for each of its rows.
  static Dataset from_arrays(std::span<const float> x, std::span<const float> targets,
                             const Shape& sample_shape);

  // For models of several inputs or outputs: each array has the part of every record that one input
  // takes, or that one output is compared with, [n, shape...], in the model's order. Targets are as
  // the losses take them: class numbers from 0, one to a record, for
  // sparse_categorical_crossentropy, else as many numbers as the output has. Throws
  // std::invalid_argument unless all have the same number of records, at least 1.
  struct Array {
    std::span<const float> values;
    Shape shape;  // of one record
  };
  static Dataset from_arrays(const std::vector<Array>& x, const std::vector<Array>& targets);

  // Throws std::invalid_argument when there are no records.
  explicit Dataset(std::shared_ptr<const data::Records> records);

  int64_t size() const;               // records, at least 1
  const Shape& sample_shape() const;  // without the batch: [28, 28, 1]
  int classes() const;                // 0: the targets are numbers
  int64_t target_size() const;        // of those, the numbers of a record; 0: they are classes
  // The name of each class; empty where classes have numbers only.
  const std::vector<std::string>& class_names() const;
  const std::string& name() const;  // "mnist", "generated digits", a file's name

  // Keras' validation_split: the first floor(size * (1 - fraction)) records to train on, the rest
  // for validation, before any shuffling. Throws std::invalid_argument unless both parts get at
  // least one record.
  std::pair<Dataset, Dataset> split(double fraction) const;

  // The same records, of which each one's loss counts as much as its weight says, in fit(),
  // evaluate() and jobs: a batch's loss is the sum of weights times losses, divided by the number
  // of samples, as in Keras; of several outputs each one's. Weights of classes multiply. Metrics do
  // not change. The workers of a job are sent such records. Throws std::invalid_argument unless
  // there is a weight for each record, finite and at least 0.
  Dataset with_sample_weights(std::span<const float> weights) const;

  // The same records with features that are the stored numbers times `scale`, instead of what the
  // dataset multiplies them by: 1 for the bytes of images as they are, 0 to 255, where a model
  // begins with a Rescaling. Throws std::invalid_argument unless it is finite and above 0.
  Dataset with_scale(float scale) const;

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
  // Empty: $SLUICE_DATA_DIR, then the user's cache, then the network. A folder that is named but
  // not there is an error.
  std::string data_dir = {};
  // Of CSV files: the column to predict, and whether its values are numbers to predict (a model of
  // one output, loss "mse") or classes.
  std::string target = "label";
  bool regression = false;
  // Of CSV files: the names of columns that are no features, such as an id.
  std::vector<std::string> ignore = {};
  // How much each record counts, as with_sample_weights(): of CSV files the name of a column, which
  // TEST may leave out; of other data a file for the records to train on, a .npy vector or text
  // with a number a line. Empty: all alike.
  std::string sample_weights = {};
  uint64_t seed = 0;  // of the draw of a CSV file's test part
};

// Handwritten digits (LeCun, Cortes, Burges), 60,000 + 10,000 of 28 x 28, ten classes. Looks in
// data_dir, $SLUICE_DATA_DIR and the user's cache, then downloads into the cache and checks the
// files' SHA-256. Without any of these, generated digits, and says so on standard error.
// Throws RuntimeError for files that are there but damaged.
TrainTest mnist(const DatasetOptions& options = {});

// Articles of clothing (Zalando SE, 2017), in the same format, found in the same way, but that
// nothing stands in for them: throws RuntimeError when they are nowhere.
TrainTest fashion_mnist(const DatasetOptions& options = {});

// Digits drawn from strokes with random affine changes and noise; the same for the same seed, on
// every machine. A linear model tells about 81 % of them, a CNN more than 99 %.
TrainTest generated_digits(int64_t train_records = 60000, int64_t test_records = 10000,
                           uint64_t seed = 1);

// "mnist", "fashion_mnist", "digits" (generated), "csv:TRAIN[,TEST]", a path to a .csv or .tsv file
// (also .gz), or a folder with IDX files named as MNIST's.
//
// A CSV file has a header; cells are separated by commas, semicolons, tabs or bars. The target's
// values are class numbers from 0 or, when one of them is no number, names of classes, which are
// numbered in sorted order: Dataset::class_names(). All other columns but those to ignore, in which
// anything may stand, are features and hold finite numbers, taken as they are; 784 of them are a 28
// x 28 image and, when TRAIN has only whole numbers from 0 to 255 there, divided by 255, in TEST
// too. TEST has the same columns by name, in any order. Without TEST one of every seven records,
// drawn by `seed`, is in the test set.
//
// Throws RuntimeError for files that are missing or damaged and for any other name.
TrainTest load_dataset(const std::string& name, const DatasetOptions& options = {});

}  // namespace sluice
