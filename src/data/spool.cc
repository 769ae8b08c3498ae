#include "data/spool.h"

#include <string>
#include <utility>

namespace sluice::data {
namespace {

// What Records over a spool must keep alive.
struct SpooledStorage {
  core::SharedBytes features;
  std::vector<int32_t> labels;
};

}  // namespace

Result<RecordsSpool> RecordsSpool::create(core::Disk& disk, RecordsInfo info) {
  SLUICE_ASSIGN_OR_RETURN(auto file, disk.make_scratch_file());
  return RecordsSpool(std::move(info), std::move(file));
}

Status RecordsSpool::append(std::span<const std::byte> features, std::span<const int32_t> labels) {
  if (features.size() != labels.size() * info_.record_bytes()) {
    return invalid_argument("dataset \"" + info_.name + "\": " + std::to_string(labels.size()) +
                            " records are " + std::to_string(labels.size() * info_.record_bytes()) +
                            " bytes, got " + std::to_string(features.size()));
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= info_.classes) {
      return invalid_argument("dataset \"" + info_.name + "\": record " +
                              std::to_string(labels_.size() + i) + " has label " +
                              std::to_string(labels[i]) + ", expected 0 to " +
                              std::to_string(info_.classes - 1));
    }
  }
  SLUICE_RETURN_IF_ERROR(file_->append(features));
  labels_.insert(labels_.end(), labels.begin(), labels.end());
  return ok_status();
}

Result<std::shared_ptr<const Records>> RecordsSpool::finish() {
  SLUICE_ASSIGN_OR_RETURN(core::SharedBytes file, file_->map());
  auto storage = std::make_shared<const SpooledStorage>(
      SpooledStorage{.features = std::move(file), .labels = std::move(labels_)});
  info_.records = static_cast<int64_t>(storage->labels.size());
  return std::make_shared<const Records>(info_, storage->features.bytes, storage->labels, storage);
}

}  // namespace sluice::data
