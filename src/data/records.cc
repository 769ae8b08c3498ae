#include "data/records.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "core/simd.h"
#include "sluice/errors.h"

namespace sluice::data {

Preprocessing preprocessing_of(const RecordsInfo& info) {
  std::vector<std::string> ignored = info.table.ignored;
  if (!info.table.weights.empty()) ignored.push_back(info.table.weights);
  return {.sample_shape = info.sample_shape,
          .scale = info.scale,
          .columns = info.table.columns,
          .target = info.table.target,
          .ignored = std::move(ignored),
          .class_names = info.table.class_names};
}

RecordsInfo records_like(const Preprocessing& preprocessing, int classes) {
  RecordsInfo info;
  info.sample_shape = preprocessing.sample_shape;
  info.scale = preprocessing.scale.value_or(1);
  info.origin = "the model's file";
  info.classes = classes;
  info.values = classes == 0 ? 1 : 0;
  info.table = {.target = preprocessing.target,
                .columns = preprocessing.columns,
                .class_names = preprocessing.class_names,
                .ignored = preprocessing.ignored};
  return info;
}

namespace {

SLUICE_SIMD void scale_uint8(const uint8_t* from, float scale, size_t n, float* to) {
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i]) * scale;
}

SLUICE_SIMD void scale_float32(float scale, size_t n, float* values) {
  for (size_t i = 0; i < n; ++i) values[i] *= scale;
}

// So many bytes are read from a file at once where records lie one after another.
constexpr size_t kMostAtOnce = size_t{1} << 20;

void throw_if(const Status& status) {
  if (!status.ok()) throw RuntimeError(status.message());
}

// A message with the records' name in front.
std::string about(const RecordsInfo& info, const std::string& what) {
  return fmt::format("dataset \"{}\": {}", info.name, what);
}

std::string targets_of(const RecordsInfo& info) {
  return info.classes == 0 ? fmt::format("{} numbers each as targets", info.values)
                           : fmt::format("class numbers of {} classes as targets", info.classes);
}

}  // namespace

std::string check_weights(std::span<const float> weights, int64_t first) {
  for (const float& weight : weights) {
    if (std::isfinite(weight) && weight >= 0) continue;
    return fmt::format("the weight of record {} is {}; it must be finite and at least 0",
                       first + (&weight - weights.data()), weight);
  }
  return "";
}

size_t element_size(Element element) { return element == Element::kUint8 ? 1 : 4; }

Records::Records(RecordsInfo info, Features features, Targets targets,
                 std::shared_ptr<const void> storage)
    : info_(std::move(info)),
      features_(std::move(features)),
      targets_(targets),
      storage_(std::move(storage)) {
  const auto n = static_cast<size_t>(std::max<int64_t>(info_.records, 0));
  const bool numbers = info_.classes == 0;
  const size_t wanted = numbers ? n * static_cast<size_t>(std::max<int64_t>(info_.values, 0)) : n;
  const size_t got = numbers ? targets_.values.size() : targets_.labels.size();
  const size_t bytes = n * info_.record_bytes();
  const bool whole = features_.file ? features_.offset + bytes <= features_.file->size()
                                    : features_.memory.size() == bytes;
  if (info_.records < 0 || info_.sample_shape.size() < 1 || info_.classes < 0 ||
      numbers != (info_.values > 0) || got != wanted || !whole) {
    throw std::invalid_argument(about(
        info_,
        fmt::format("{} records of shape {} with {} need {} bytes of features and {} targets, got "
                    "{} and {}",
                    info_.records, info_.sample_shape.to_string(), targets_of(info_), bytes, wanted,
                    features_.file ? features_.file->size() : features_.memory.size(), got)));
  }
  if (!targets_.weights.empty() && targets_.weights.size() != n) {
    throw std::invalid_argument(
        about(info_, fmt::format("{} weights for {} records", targets_.weights.size(), n)));
  }
  if (const std::string wrong = check_weights(targets_.weights); !wrong.empty()) {
    throw std::invalid_argument(about(info_, wrong));
  }
  for (size_t i = 0; i < targets_.labels.size(); ++i) {
    const int32_t label = targets_.labels[i];
    if (label < 0 || label >= info_.classes) {
      throw std::invalid_argument(about(
          info_,
          fmt::format("record {} has label {}, expected 0 to {}", i, label, info_.classes - 1)));
    }
  }
}

std::shared_ptr<const Records> Records::slice(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first > info_.records - count) {
    throw std::out_of_range(
        about(info_, fmt::format("records {} to {} of {}", first, first + count, info_.records)));
  }
  auto part = std::make_shared<Records>(*this);
  part->info_.records = count;
  part->info_.source.first += first;
  const auto cut = [&](auto& span, size_t width) {
    if (span.empty()) return;
    span = span.subspan(static_cast<size_t>(first) * width, static_cast<size_t>(count) * width);
  };
  cut(part->features_.memory, info_.record_bytes());
  part->features_.offset += static_cast<uint64_t>(first) * info_.record_bytes();
  cut(part->targets_.labels, 1);
  cut(part->targets_.values, static_cast<size_t>(info_.values));
  cut(part->targets_.weights, 1);
  return part;
}

std::shared_ptr<const Records> Records::with_info(RecordsInfo info) const {
  auto records = std::make_shared<Records>(std::move(info), features_, targets_, storage_);
  records->class_weights_ = class_weights_;
  return records;
}

std::shared_ptr<const Records> Records::with_weights(std::vector<float> of_records) const {
  struct Storage {
    std::vector<float> weights;
    std::shared_ptr<const void> rest;
  };
  const auto storage = std::make_shared<const Storage>(Storage{std::move(of_records), storage_});
  RecordsInfo info = info_;
  info.source = {};
  info.table.weights.clear();
  Targets targets = targets_;
  targets.weights = storage->weights;
  auto records = std::make_shared<Records>(std::move(info), features_, targets, storage);
  records->class_weights_ = class_weights_;
  return records;
}

std::shared_ptr<const Records> Records::with_class_weights(std::vector<float> of_classes) const {
  if (of_classes.size() != static_cast<size_t>(info_.classes)) {
    throw std::invalid_argument(
        about(info_, fmt::format("{} weights for {} classes", of_classes.size(), info_.classes)));
  }
  auto records = std::make_shared<Records>(*this);
  records->class_weights_ = std::move(of_classes);
  return records;
}

void Records::check_gather(std::span<const uint32_t> indices, size_t width, size_t size) const {
  if (size != indices.size() * width) {
    throw std::invalid_argument(
        about(info_, fmt::format("gathering {} records needs room for {} values, got {}",
                                 indices.size(), indices.size() * width, size)));
  }
  for (uint32_t index : indices) {
    if (index >= static_cast<uint64_t>(info_.records)) {
      throw std::out_of_range(about(info_, fmt::format("record {} of {}", index, info_.records)));
    }
  }
}

template <typename Use>
void Records::visit_runs(std::span<const uint32_t> indices, const Use& use) const {
  const size_t bytes = info_.record_bytes();
  const size_t most = features_.file ? std::max<size_t>(kMostAtOnce / bytes, 1) : indices.size();
  std::vector<std::byte> read;
  while (!indices.empty()) {
    size_t count = 1;
    while (count < std::min(most, indices.size()) && indices[count] == indices[0] + count) ++count;
    const size_t at = indices[0] * bytes;
    if (features_.file) {
      read.resize(count * bytes);
      throw_if(features_.file->read(features_.offset + at, read));
      use(read.data(), count);
    } else {
      use(features_.memory.data() + at, count);
    }
    indices = indices.subspan(count);
  }
  // Behind the reading: what has changed before is noticed, what changes later was not read.
  if (features_.file) throw_if(features_.file->check_unchanged());
}

void Records::gather(std::span<const uint32_t> indices, std::span<float> x) const {
  const auto width = static_cast<size_t>(info_.sample_shape.size());
  check_gather(indices, width, x.size());
  float* to = x.data();
  visit_runs(indices, [&](const std::byte* from, size_t count) {
    const size_t n = count * width;
    if (info_.element == Element::kUint8) {
      scale_uint8(reinterpret_cast<const uint8_t*>(from), info_.scale, n, to);
    } else {
      std::memcpy(to, from, n * sizeof(float));
      if (info_.scale != 1.0f) scale_float32(info_.scale, n, to);
    }
    to += n;
  });
}

void Records::gather_stored(std::span<const uint32_t> indices, std::span<std::byte> to) const {
  check_gather(indices, info_.record_bytes(), to.size());
  std::byte* next = to.data();
  visit_runs(indices, [&](const std::byte* from, size_t count) {
    next = std::copy_n(from, count * info_.record_bytes(), next);
  });
}

void Records::gather_targets(std::span<const uint32_t> indices, TargetForm form,
                             std::span<float> y) const {
  const bool numbers = info_.classes == 0;
  const bool vectors = numbers || form == TargetForm::kVectors ||
                       (form == TargetForm::kNumbers && info_.classes != 2);
  const auto width = static_cast<size_t>(!vectors ? 1 : numbers ? info_.values : info_.classes);
  const size_t stride = width + (weighted() ? 1 : 0);
  check_gather(indices, stride, y.size());
  float* to = y.data();
  for (const uint32_t index : indices) {
    if (numbers) {
      std::copy_n(targets_.values.data() + index * width, width, to);
    } else if (vectors) {
      std::fill_n(to, width, 0.0f);
      to[targets_.labels[index]] = 1.0f;
    } else {
      *to = static_cast<float>(targets_.labels[index]);
    }
    if (weighted()) to[width] = weight_of(index);
    to += stride;
  }
}

float Records::weight_of(uint32_t index) const {
  const float own = targets_.weights.empty() ? 1.0f : targets_.weights[index];
  if (class_weights_.empty()) return own;
  return own * class_weights_[static_cast<size_t>(targets_.labels[index])];
}

}  // namespace sluice::data
