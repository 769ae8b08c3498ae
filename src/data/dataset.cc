#include "sluice/dataset.h"

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
  std::vector<int32_t> labels;
};

}  // namespace

Dataset Dataset::from_arrays(std::span<const float> x, std::span<const int32_t> labels,
                             const Shape& sample_shape, int classes) {
  auto storage = std::make_shared<const ArrayStorage>(
      ArrayStorage{.x = {x.begin(), x.end()}, .labels = {labels.begin(), labels.end()}});
  data::RecordsInfo info;
  info.name = "arrays";
  info.sample_shape = sample_shape;
  info.classes = classes;
  info.element = data::Element::kFloat32;
  info.scale = 1.0f;
  info.records = static_cast<int64_t>(labels.size());
  info.origin = "the program's memory";
  return Dataset(std::make_shared<const data::Records>(
      std::move(info), std::as_bytes(std::span(storage->x)), storage->labels, storage));
}

Dataset::Dataset(std::shared_ptr<const data::Records> records) : records_(std::move(records)) {
  if (records_ == nullptr) throw std::invalid_argument("Dataset: no records");
}

int64_t Dataset::size() const { return records_->info().records; }
const Shape& Dataset::sample_shape() const { return records_->info().sample_shape; }
int Dataset::classes() const { return records_->info().classes; }
const std::string& Dataset::name() const { return records_->info().name; }

std::pair<Dataset, Dataset> Dataset::split(double fraction) const {
  // Keras' arithmetic, in double: rounding differs from that of floor(n * fraction).
  const double cut = std::floor(static_cast<double>(size()) * (1.0 - fraction));
  if (!(fraction > 0.0 && fraction < 1.0) || cut < 1.0 || cut >= static_cast<double>(size())) {
    throw std::invalid_argument("split: a fraction of " + std::to_string(fraction) + " of " +
                                std::to_string(size()) +
                                " records leaves one part empty; both need at least one record");
  }
  const auto first = static_cast<int64_t>(cut);
  return {Dataset(records_->slice(0, first)), Dataset(records_->slice(first, size() - first))};
}

TrainTest load_dataset(const std::string& name, const DatasetOptions& options) {
  auto loaded = data::load_dataset(name, options.data_dir);
  if (!loaded.ok()) throw RuntimeError(loaded.status().message());
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
