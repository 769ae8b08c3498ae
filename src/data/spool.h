// Records that arrive piece by piece, kept in a scratch file and mapped when complete: those of a
// CSV file being read, or of a partition that the driver sends to a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/world.h"
#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

class RecordsSpool {
 public:
  // `info` describes a record; its count is ignored. Fails as Disk::make_scratch_file() does.
  static Result<RecordsSpool> create(core::Disk& disk, RecordsInfo info);

  // Appends as many records as there are targets. INVALID_ARGUMENT when the features are not as
  // many bytes as that, when some records have weights and others none, or, naming the record, when
  // a label is not in [0, classes) or a weight not finite and at least 0; RESOURCE_EXHAUSTED when
  // the disk is full.
  Status append(std::span<const std::byte> features, const Targets& targets);

  int64_t records() const { return info_.count({.labels = labels_, .values = values_}); }
  const RecordsInfo& info() const { return info_; }

  // Once all are there: label i becomes new_labels[i], of `classes`.
  void relabel(std::span<const int32_t> new_labels, int classes);

  // Everything appended so far, as `info` describes it. Nothing more may be appended afterwards.
  Result<std::shared_ptr<const Records>> finish();

 private:
  RecordsSpool(RecordsInfo info, std::unique_ptr<core::ScratchFile> file)
      : info_(std::move(info)), file_(std::move(file)) {}

  RecordsInfo info_;
  std::unique_ptr<core::ScratchFile> file_;
  std::vector<int32_t> labels_;
  std::vector<float> values_;
  std::vector<float> weights_;
};

}  // namespace sluice::data
