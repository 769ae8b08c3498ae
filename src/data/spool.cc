#include "data/spool.h"

#include <fmt/core.h>

#include <string>
#include <utility>

namespace sluice::data {
namespace {

// What Records over a spool must keep alive.
struct SpooledStorage {
  core::SharedBytes features;
  std::vector<int32_t> labels;
  std::vector<float> values;
  std::vector<float> weights;
};

}  // namespace

Result<RecordsSpool> RecordsSpool::create(core::Disk& disk, RecordsInfo info) {
  SLUICE_ASSIGN_OR_RETURN(auto file, disk.make_scratch_file());
  return RecordsSpool(std::move(info), std::move(file));
}

Status RecordsSpool::append(std::span<const std::byte> features, const Targets& targets) {
  const auto wrong = [this](const std::string& how) {
    return invalid_argument(fmt::format("dataset \"{}\": {}", info_.name, how));
  };
  const auto count = static_cast<size_t>(info_.count(targets));
  if (features.size() != count * info_.record_bytes()) {
    return wrong(fmt::format("{} records are {} bytes, got {}", count, count * info_.record_bytes(),
                             features.size()));
  }
  const bool numbers = info_.classes == 0;
  const size_t others = numbers ? targets.labels.size() : targets.values.size();
  if (others != 0 ||
      (numbers && targets.values.size() != count * static_cast<size_t>(info_.values))) {
    return wrong(fmt::format("got {} labels and {} numbers as targets of {} records",
                             targets.labels.size(), targets.values.size(), count));
  }
  for (size_t i = 0; i < targets.labels.size(); ++i) {
    const int32_t label = targets.labels[i];
    if (label < 0 || label >= info_.classes) {
      return wrong(fmt::format("record {} has label {}, expected 0 to {}", labels_.size() + i,
                               label, info_.classes - 1));
    }
  }
  const bool weighted = records() == 0 ? !targets.weights.empty() : !weights_.empty();
  if (targets.weights.size() != (weighted ? count : 0)) {
    return wrong(fmt::format("got {} weights of {} records, and {} of the {} before",
                             targets.weights.size(), count, weights_.size(), records()));
  }
  const std::string bad_weight = check_weights(targets.weights, records());
  if (!bad_weight.empty()) return wrong(bad_weight);
  SLUICE_RETURN_IF_ERROR(file_->append(features));
  labels_.insert(labels_.end(), targets.labels.begin(), targets.labels.end());
  values_.insert(values_.end(), targets.values.begin(), targets.values.end());
  weights_.insert(weights_.end(), targets.weights.begin(), targets.weights.end());
  return ok_status();
}

void RecordsSpool::relabel(std::span<const int32_t> new_labels, int classes) {
  for (int32_t& label : labels_) label = new_labels[static_cast<size_t>(label)];
  info_.classes = classes;
}

Result<std::shared_ptr<const Records>> RecordsSpool::finish() {
  info_.records = records();
  SLUICE_ASSIGN_OR_RETURN(core::SharedBytes file, file_->map());
  auto storage =
      std::make_shared<const SpooledStorage>(SpooledStorage{.features = std::move(file),
                                                            .labels = std::move(labels_),
                                                            .values = std::move(values_),
                                                            .weights = std::move(weights_)});
  return std::make_shared<const Records>(
      std::move(info_), Features{.memory = storage->features.bytes},
      Targets{.labels = storage->labels, .values = storage->values, .weights = storage->weights},
      storage);
}

}  // namespace sluice::data
