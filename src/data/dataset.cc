#include "sluice/dataset.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "data/catalog.h"
#include "data/digits.h"
#include "data/records.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

struct ArrayStorage {
  std::vector<float> x;
  std::vector<int32_t> labels{};
  std::vector<float> values{};
};

// What all records from arrays have in common.
data::RecordsInfo array_info(const Shape& sample_shape, size_t records) {
  data::RecordsInfo info;
  info.name = "arrays";
  info.sample_shape = sample_shape;
  info.element = data::Element::kFloat32;
  info.scale = 1.0f;
  info.records = static_cast<int64_t>(records);
  info.origin = "the program's memory";
  return info;
}

// Catches a batch dimension in `sample_shape`: x is a single record then, and has a target for each
// of its rows. A target as large as the record is an autoencoder's.
void check_no_batch_dimension(std::span<const float> x, size_t targets, const Shape& sample_shape) {
  if (sample_shape.rank() < 2 || static_cast<size_t>(sample_shape.size()) != x.size()) return;
  const auto rows = static_cast<size_t>(sample_shape.dims()[0]);
  if (rows < 2 || targets % rows != 0 || targets == x.size()) return;
  throw std::invalid_argument(fmt::format(
      "dataset \"arrays\": sample_shape {} makes a single record of all {} features, got {} "
      "targets: give the shape of one record, without the number of records",
      sample_shape.to_string(), x.size(), targets));
}

Dataset from_storage(data::RecordsInfo info, ArrayStorage arrays) {
  const auto storage = std::make_shared<const ArrayStorage>(std::move(arrays));
  return Dataset(std::make_shared<const data::Records>(
      std::move(info), data::Features{.memory = std::as_bytes(std::span(storage->x))},
      data::Targets{.labels = storage->labels, .values = storage->values}, storage));
}

}  // namespace

Dataset Dataset::from_arrays(std::span<const float> x, std::span<const int32_t> labels,
                             const Shape& sample_shape, int classes) {
  if (classes < 1) {
    throw std::invalid_argument(
        fmt::format("dataset \"arrays\": expected at least 1 class, got {}", classes));
  }
  check_no_batch_dimension(x, labels.size(), sample_shape);
  data::RecordsInfo info = array_info(sample_shape, labels.size());
  info.classes = classes;
  return from_storage(std::move(info),
                      {.x = {x.begin(), x.end()}, .labels = {labels.begin(), labels.end()}});
}

Dataset Dataset::from_arrays(std::span<const float> x, std::span<const float> targets,
                             const Shape& sample_shape) {
  const auto width = static_cast<size_t>(std::max<int64_t>(sample_shape.size(), 1));
  const size_t n = x.size() / width;
  if (n == 0 || targets.empty() || targets.size() % n != 0) {
    throw std::invalid_argument(
        fmt::format("dataset \"arrays\": expected as many targets, or whole multiples of them, as "
                    "there are records, got {} for {} records of shape {}",
                    targets.size(), n, sample_shape.to_string()));
  }
  check_no_batch_dimension(x, targets.size(), sample_shape);
  data::RecordsInfo info = array_info(sample_shape, n);
  info.classes = 0;
  info.values = static_cast<int64_t>(targets.size() / n);
  return from_storage(std::move(info),
                      {.x = {x.begin(), x.end()}, .values = {targets.begin(), targets.end()}});
}

namespace {

// The arrays' parts of each record one after another, [records, sizes...].
std::vector<float> joined(const std::vector<Dataset::Array>& arrays, size_t records) {
  std::vector<float> all;
  for (size_t i = 0; i < records; ++i) {
    for (const Dataset::Array& array : arrays) {
      const auto size = static_cast<size_t>(array.shape.size());
      const auto part = array.values.subspan(i * size, size);
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  return all;
}

// Those of the first, which all must have.
size_t records_of(const std::vector<Dataset::Array>& x,
                  const std::vector<Dataset::Array>& targets) {
  if (x.empty() || targets.empty()) {
    throw std::invalid_argument(
        "dataset \"arrays\": expected at least one array of features and one of targets");
  }
  const auto size_of = [](const Dataset::Array& array) {
    return static_cast<size_t>(std::max<int64_t>(array.shape.size(), 1));
  };
  const size_t records = x.front().values.size() / size_of(x.front());
  for (const auto* arrays : {&x, &targets}) {
    for (const Dataset::Array& array : *arrays) {
      if (array.shape.size() >= 1 && records >= 1 &&
          array.values.size() == records * size_of(array)) {
        continue;
      }
      throw std::invalid_argument(
          fmt::format("dataset \"arrays\": expected {} records of shape {} in array {} of the {}, "
                      "got {} numbers",
                      records, array.shape.to_string(), &array - arrays->data(),
                      arrays == &x ? "features" : "targets", array.values.size()));
    }
  }
  return records;
}

}  // namespace

Dataset Dataset::from_arrays(const std::vector<Array>& x, const std::vector<Array>& targets) {
  const size_t records = records_of(x, targets);
  ArrayStorage storage{.x = joined(x, records), .values = joined(targets, records)};
  const auto width = static_cast<int64_t>(storage.x.size() / records);
  data::RecordsInfo info = array_info(x.size() == 1 ? x.front().shape : Shape{width}, records);
  info.classes = 0;
  info.values = static_cast<int64_t>(storage.values.size() / records);
  return from_storage(std::move(info), std::move(storage));
}

Dataset::Dataset(std::shared_ptr<const data::Records> records) : records_(std::move(records)) {
  if (records_ == nullptr || records_->info().records < 1) {
    throw std::invalid_argument("Dataset: expected at least 1 record, got none");
  }
}

int64_t Dataset::size() const { return records_->info().records; }
const Shape& Dataset::sample_shape() const { return records_->info().sample_shape; }
int Dataset::classes() const { return records_->info().classes; }
int64_t Dataset::target_size() const { return records_->info().values; }
const std::vector<std::string>& Dataset::class_names() const {
  return records_->info().table.class_names;
}
const std::string& Dataset::name() const { return records_->info().name; }

std::pair<Dataset, Dataset> Dataset::split(double fraction) const {
  // Keras' arithmetic, in double: rounding differs from that of floor(n * fraction).
  const double cut = std::floor(static_cast<double>(size()) * (1.0 - fraction));
  if (!(fraction > 0.0 && fraction < 1.0) || cut < 1.0 || cut >= static_cast<double>(size())) {
    throw std::invalid_argument(
        fmt::format("split: a fraction of {:f} of {} records leaves one "
                    "part empty; both need at least one record",
                    fraction, size()));
  }
  const auto first = static_cast<int64_t>(cut);
  return {Dataset(records_->slice(0, first)), Dataset(records_->slice(first, size() - first))};
}

Dataset Dataset::with_scale(float scale) const {
  if (!std::isfinite(scale) || scale <= 0) {
    throw std::invalid_argument(
        fmt::format("with_scale(): expected a finite number above 0, got {}", scale));
  }
  data::RecordsInfo info = records_->info();
  info.scale = scale;
  return Dataset(records_->with_info(std::move(info)));
}

Dataset Dataset::with_sample_weights(std::span<const float> weights) const {
  if (weights.size() != static_cast<size_t>(size())) {
    throw std::invalid_argument(
        fmt::format("with_sample_weights(): dataset \"{}\" has {} records, got {} weights", name(),
                    size(), weights.size()));
  }
  if (const std::string wrong = data::check_weights(weights); !wrong.empty()) {
    throw std::invalid_argument("with_sample_weights(): " + wrong);
  }
  return Dataset(records_->with_weights({weights.begin(), weights.end()}));
}

TrainTest load_dataset(const std::string& name, const DatasetOptions& options) {
  data::LoadOptions how;
  how.csv.target = options.target;
  how.csv.ignored = options.ignore;
  how.csv.weights = options.sample_weights;
  if (options.regression) how.csv.means = data::CsvOptions::Means::kNumbers;
  how.seed = options.seed;
  auto loaded = data::load_dataset(name, options.data_dir, how);
  if (!loaded.ok()) throw RuntimeError(loaded.status().message());
  const Status weighted = data::add_weights(options.sample_weights, *loaded);
  if (!weighted.ok()) throw RuntimeError(weighted.message());
  return *std::move(loaded);
}

TrainTest mnist(const DatasetOptions& options) { return load_dataset("mnist", options); }

TrainTest fashion_mnist(const DatasetOptions& options) {
  return load_dataset("fashion_mnist", options);
}

TrainTest generated_digits(int64_t train_records, int64_t test_records, uint64_t seed) {
  return {Dataset(data::generate_digits(0, train_records, seed)),
          Dataset(data::generate_digits(data::kDigitTestFirst, test_records, seed))};
}

}  // namespace sluice
