#include "data/records.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/simd.h"

namespace sluice::data {
namespace {

SLUICE_SIMD void scale_uint8(const uint8_t* from, float scale, size_t n, float* to) {
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i]) * scale;
}

SLUICE_SIMD void scale_float32(float scale, size_t n, float* values) {
  for (size_t i = 0; i < n; ++i) values[i] *= scale;
}

std::string quoted(const RecordsInfo& info) { return "dataset \"" + info.name + "\": "; }

}  // namespace

size_t element_size(Element element) { return element == Element::kUint8 ? 1 : 4; }

Records::Records(RecordsInfo info, std::span<const std::byte> features,
                 std::span<const int32_t> labels, std::shared_ptr<const void> storage)
    : info_(std::move(info)), features_(features), labels_(labels), storage_(std::move(storage)) {
  const auto n = static_cast<size_t>(std::max<int64_t>(info_.records, 0));
  if (info_.records < 0 || info_.sample_shape.size() < 1 || info_.classes < 1 ||
      labels_.size() != n || features_.size() != n * info_.record_bytes()) {
    throw std::invalid_argument(
        quoted(info_) + std::to_string(info_.records) + " records of shape " +
        info_.sample_shape.to_string() + " in " + std::to_string(info_.classes) + " classes need " +
        std::to_string(n * info_.record_bytes()) + " bytes of features and " + std::to_string(n) +
        " labels, got " + std::to_string(features_.size()) + " and " +
        std::to_string(labels_.size()));
  }
  for (size_t i = 0; i < n; ++i) {
    if (labels_[i] < 0 || labels_[i] >= info_.classes) {
      throw std::invalid_argument(quoted(info_) + "record " + std::to_string(i) + " has label " +
                                  std::to_string(labels_[i]) + ", expected 0 to " +
                                  std::to_string(info_.classes - 1));
    }
  }
}

std::shared_ptr<const Records> Records::slice(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first > info_.records - count) {
    throw std::out_of_range(quoted(info_) + "records " + std::to_string(first) + " to " +
                            std::to_string(first + count) + " of " + std::to_string(info_.records));
  }
  auto part = std::make_shared<Records>(*this);
  part->info_.records = count;
  part->info_.source.first += first;
  const size_t bytes = info_.record_bytes();
  part->features_ =
      features_.subspan(static_cast<size_t>(first) * bytes, static_cast<size_t>(count) * bytes);
  part->labels_ = labels_.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  return part;
}

std::shared_ptr<const Records> Records::with_info(RecordsInfo info) const {
  return std::make_shared<Records>(std::move(info), features_, labels_, storage_);
}

void Records::check_gather(std::span<const uint32_t> indices, size_t width, size_t size) const {
  if (size != indices.size() * width) {
    throw std::invalid_argument(
        quoted(info_) + "gathering " + std::to_string(indices.size()) + " records needs room for " +
        std::to_string(indices.size() * width) + " floats, got " + std::to_string(size));
  }
  for (uint32_t index : indices) {
    if (index >= labels_.size()) {
      throw std::out_of_range(quoted(info_) + "record " + std::to_string(index) + " of " +
                              std::to_string(info_.records));
    }
  }
}

void Records::gather(std::span<const uint32_t> indices, std::span<float> x) const {
  const auto width = static_cast<size_t>(info_.sample_shape.size());
  check_gather(indices, width, x.size());
  const size_t bytes = info_.record_bytes();
  float* to = x.data();
  for (uint32_t index : indices) {
    const std::byte* from = features_.data() + index * bytes;
    if (info_.element == Element::kUint8) {
      scale_uint8(reinterpret_cast<const uint8_t*>(from), info_.scale, width, to);
    } else {
      std::memcpy(to, from, bytes);
      if (info_.scale != 1.0f) scale_float32(info_.scale, width, to);
    }
    to += width;
  }
}

void Records::gather_labels(std::span<const uint32_t> indices, std::span<float> y) const {
  check_gather(indices, 1, y.size());
  for (size_t i = 0; i < indices.size(); ++i) y[i] = static_cast<float>(labels_[indices[i]]);
}

void Records::gather_one_hot(std::span<const uint32_t> indices, std::span<float> y) const {
  const auto classes = static_cast<size_t>(info_.classes);
  check_gather(indices, classes, y.size());
  std::fill(y.begin(), y.end(), 0.0f);
  for (size_t i = 0; i < indices.size(); ++i) {
    y[i * classes + static_cast<size_t>(labels_[indices[i]])] = 1.0f;
  }
}

}  // namespace sluice::data
